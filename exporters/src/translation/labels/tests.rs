use super::*;
use otelcol_pdata::model::{int, string};
use otelcol_prometheus_text::{Labels, Strategy, is_classic_label_name};
use proptest::prelude::*;
use std::collections::BTreeMap;

const CLASSIC: Strategy = Strategy::UnderscoreEscapingWithSuffixes;

fn rules(resource: Selection, constant: &[(&str, &str)], scope: bool) -> LabelRules {
    let constant = constant.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    LabelRules { strategy: CLASSIC, constant, scope, resource }
}

fn rendered(
    shared: &SharedLabels,
    attributes: &[KeyValue],
    reserved: &str,
) -> Result<(String, bool), LabelError> {
    let mut writer = LabelWriter::default();
    let rendered = writer.render(CLASSIC, shared, attributes, reserved)?;
    Ok((String::from_utf8(rendered.text.to_vec()).unwrap(), rendered.conflict))
}

fn of_resource(rules: &LabelRules, resource: &[KeyValue]) -> SharedLabels {
    SharedLabels::new(rules, resource, None, "").unwrap()
}

#[test]
fn job_and_instance_come_from_the_service() {
    let resource =
        [string(SERVICE_NAME, "pbx"), string(SERVICE_NAMESPACE, "eu"), string(SERVICE_INSTANCE_ID, "1")];
    let shared = of_resource(&rules(Selection::None, &[], false), &resource);
    assert_eq!(rendered(&shared, &[], "").unwrap(), (r#"instance="1",job="eu/pbx""#.to_owned(), false));
    let shared = of_resource(&rules(Selection::None, &[], false), &resource[..1]);
    assert_eq!(rendered(&shared, &[int("zone", 7)], "").unwrap().0, r#"job="pbx",zone="7""#);
}

#[test]
fn constant_labels_win_over_all_others_and_job_over_attributes() {
    let resource = [string(SERVICE_NAME, "pbx"), string("site", "resource"), string("job", "resource")];
    let shared = of_resource(&rules(Selection::All, &[("site", "north")], false), &resource);
    let (text, conflict) = rendered(&shared, &[string("site", "point"), string("job", "point")], "").unwrap();
    assert_eq!(text, r#"job="pbx",service_name="pbx",site="north""#);
    assert!(conflict);
}

#[test]
fn a_resource_attribute_replaces_the_points_own_of_the_same_key() {
    let shared = of_resource(&rules(Selection::All, &[], false), &[string("host.name", "r")]);
    let both = rendered(&shared, &[string("host.name", "p")], "").unwrap();
    assert_eq!(both, (r#"host_name="r""#.to_owned(), false));
}

#[test]
fn keys_that_give_one_name_are_joined_in_the_order_of_the_keys() {
    let shared = of_resource(&rules(Selection::All, &[], false), &[string("a_b", "r"), string("a.b", "q")]);
    assert!(shared.conflict);
    let both = rendered(&shared, &[string("a/b", "p")], "").unwrap();
    assert_eq!(both, (r#"a_b="p;q;r""#.to_owned(), true), "the resource's own are joined first: a.b, a_b");
    let one_key = rendered(&SharedLabels::default(), &[string("a", "1"), string("a", "2")], "").unwrap();
    assert_eq!(one_key.0, r#"a="1""#);
}

#[test]
fn labels_of_the_writer_are_renamed_and_reserved_ones_refused() {
    let none = SharedLabels::default();
    assert_eq!(rendered(&none, &[string("le", "x")], "le").unwrap().0, r#"exported_le="x""#);
    assert_eq!(rendered(&none, &[string("le", "x")], "quantile").unwrap().0, r#"le="x""#);
    assert_eq!(rendered(&none, &[string("__name__", "x")], ""), Err(LabelError::Invalid));
    assert_eq!(rendered(&none, &[string("", "x")], ""), Err(LabelError::Invalid));
    let long = "x".repeat(MAX_LABELS);
    assert_eq!(rendered(&none, &[string("a", long)], ""), Err(LabelError::TooLong));
}

/// Labels as a map, made the slow way. Keys are unique here, names need not be.
fn reference(resource: &BTreeMap<String, String>, point: &BTreeMap<String, String>) -> String {
    let mut all = point.clone();
    all.extend(resource.clone());
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in &all {
        by_name.entry(label_name(key, CLASSIC).unwrap()).or_default().push(value.clone());
    }
    let mut labels = Labels::new();
    for (name, values) in by_name {
        assert!(is_classic_label_name(&name));
        labels.push(&name, &values.join(";"));
    }
    String::from_utf8(labels.as_bytes().to_vec()).unwrap()
}

proptest! {
    #[test]
    fn equals_the_slow_reference(
        resource in prop::collection::btree_map("[a-c][._][a-c]", "[x\"\\\\\n]{0,3}", 0..3),
        point in prop::collection::btree_map("[a-c][._/][a-c]", "[x\"\\\\\n]{0,3}", 0..6),
        order in any::<prop::sample::Index>(),
    ) {
        // Two keys of the resource with one name are joined before those of the point come in.
        let names: std::collections::BTreeSet<String> =
            resource.keys().map(|key| label_name(key, CLASSIC).unwrap()).collect();
        prop_assume!(names.len() == resource.len());
        let attributes = |map: &BTreeMap<String, String>| -> Vec<KeyValue> {
            map.iter().map(|(key, value)| string(key.clone(), value.clone())).collect()
        };
        let shared = of_resource(&rules(Selection::All, &[], false), &attributes(&resource));
        let mut shuffled = attributes(&point);
        if !shuffled.is_empty() {
            let at = order.index(shuffled.len());
            shuffled.rotate_left(at);
        }
        let (text, _) = rendered(&shared, &shuffled, "").unwrap();
        prop_assert_eq!(text, reference(&resource, &point));
    }
}
