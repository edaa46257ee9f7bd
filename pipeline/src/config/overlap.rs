//! Receivers of one pipeline that report the same thing of the same system.

use std::collections::BTreeMap;

use super::PipelineConfig;
use super::sections::Section;
use crate::factory::{Claim, MakeReceiver};
use crate::{ComponentId, PipelineId};

/// One warning for each pipeline and each two receivers of different types that claim the same. Two of one type watch
/// two systems.
pub(super) fn find(
    pipelines: &BTreeMap<PipelineId, PipelineConfig>,
    receivers: &BTreeMap<ComponentId, Section<MakeReceiver>>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    for (pipeline, config) in pipelines {
        let claims = |id| receivers.get(id).map_or(&[][..], |section| section.claims.as_slice());
        for (at, one) in config.receivers.iter().enumerate() {
            for other in config.receivers.iter().skip(at + 1) {
                if one.component_type() == other.component_type() {
                    continue;
                }
                for claim in claims(one) {
                    if let Some(second) = claims(other).iter().find(|c| c.subject == claim.subject) {
                        warnings.push(warning(pipeline, (one, claim), (other, second)));
                    }
                }
            }
        }
    }
    warnings
}

fn warning(pipeline: &PipelineId, one: (&ComponentId, &Claim), other: (&ComponentId, &Claim)) -> String {
    let ways: Vec<String> = [one, other]
        .iter()
        .filter_map(|(id, claim)| Some(format!("receivers::{id}::{}", claim.leave_with?)))
        .collect();
    let advice =
        if ways.is_empty() { "a pipeline of its own for one of them".to_owned() } else { ways.join(" or ") };
    format!(
        "pipeline {pipeline}: receivers {} and {} both report {}: each value is there twice; leave it to one of them with {advice}",
        one.0, other.0, one.1.subject
    )
}
