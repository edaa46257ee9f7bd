use super::*;

fn build(name: &str, unit: &str, kind: NameKind) -> String {
    MetricNamer::new("", Strategy::UnderscoreEscapingWithSuffixes).build(name, unit, kind).unwrap()
}

/// Names and results from the test tables of contrib's `pkg/translator/prometheus`.
#[test]
fn names_and_units_follow_the_translator() {
    use NameKind::{Counter, Gauge};
    for (name, unit, kind, want) in [
        ("system.filesystem.usage", "By", Gauge, "system_filesystem_usage_bytes"),
        ("system.io", "By", Counter, "system_io_bytes_total"),
        ("network_transmitted_bytes_total", "By", Counter, "network_transmitted_bytes_total"),
        ("\t system.filesystem.usage       ", "  By\t", Gauge, "system_filesystem_usage_bytes"),
        ("system.network.dropped", "{packets}", Gauge, "system_network_dropped"),
        ("system.network.dropped", "{packets}", Counter, "system_network_dropped_total"),
        ("system.network.dropped", "packets", Gauge, "system_network_dropped_packets"),
        ("system.network.packets.dropped", "packets", Gauge, "system_network_packets_dropped"),
        ("system.network.packets", "packets", Counter, "system_network_packets_total"),
        ("hw.gpu.memory.utilization", "1", Gauge, "hw_gpu_memory_utilization_ratio"),
        ("hw.fan.speed_ratio", "1", Gauge, "hw_fan_speed_ratio"),
        ("objects", "1", Counter, "objects_total"),
        ("hw.cpu.speed_limit", "Hz", Gauge, "hw_cpu_speed_limit_hertz"),
        ("broken.metric.speed", "km/h", Gauge, "broken_metric_speed_km_per_hour"),
        ("astro.light.speed_limit", "m/s", Gauge, "astro_light_speed_limit_meters_per_second"),
        ("broken.metric.success_ratio", "%", Gauge, "broken_metric_success_ratio_percent"),
        ("test.metric.no_unit", "", Gauge, "test_metric_no_unit"),
        ("test.metric.spaces", "   \t  ", Gauge, "test_metric_spaces"),
        ("unsupported.metric.temperature", "°F", Gauge, "unsupported_metric_temperature_F"),
        ("unsupported.metric.redundant", "__test $/°C", Gauge, "unsupported_metric_redundant_test_per_C"),
        (
            "active_directory.ds.replication.object.rate",
            "{objects}/s",
            Gauge,
            "active_directory_ds_replication_object_rate_per_second",
        ),
        (
            "mongodbatlas.process.network.io",
            "By/s",
            Gauge,
            "mongodbatlas_process_network_io_bytes_per_second",
        ),
        (
            "mongodbatlas.query.scanned_per_returned",
            "{scanned}/{returned}",
            Gauge,
            "mongodbatlas_query_scanned_per_returned",
        ),
        ("envoy__rule_engine_zlib_buf_error", "", Gauge, "envoy_rule_engine_zlib_buf_error"),
        (":foo::bar", "", Gauge, ":foo::bar"),
        ("6.8", "", Gauge, "_6_8"),
        ("system.cpu.load_average.5m", "{thread}", Gauge, "system_cpu_load_average_5m"),
        ("asterisk.channels.count", "{channel}", Gauge, "asterisk_channels_count"),
    ] {
        assert_eq!(build(name, unit, kind), want, "{name} {unit}");
    }
    assert_eq!(build("system.memory.limit", "1", NameKind::Other), "system_memory_limit");
}

#[test]
fn the_namespace_is_put_once() {
    let namer = MetricNamer::new("asterisk", Strategy::UnderscoreEscapingWithSuffixes);
    let gauge = |namer: &MetricNamer, name: &str| namer.build(name, "", NameKind::Gauge).unwrap();
    assert_eq!(gauge(&namer, "channels.count"), "asterisk_channels_count");
    assert_eq!(gauge(&namer, "asterisk.channels.count"), "asterisk_channels_count");
    assert_eq!(gauge(&namer, "asterisks.seen"), "asterisk_asterisks_seen");
    assert_eq!(gauge(&namer, "asterisk"), "asterisk_asterisk");
    assert_eq!(gauge(&namer, "6.8"), "asterisk_6_8");
    let go = namer.repeat_namespace(true);
    assert_eq!(gauge(&go, "asterisk.channels.count"), "asterisk_asterisk_channels_count");
    let odd = MetricNamer::new("test-space", Strategy::UnderscoreEscapingWithoutSuffixes);
    assert_eq!(gauge(&odd, "a"), "test_space_a");
}

#[test]
fn the_other_strategies_keep_what_they_promise() {
    let with = |strategy, name: &str, unit: &str, kind| {
        MetricNamer::new("", strategy).build(name, unit, kind).unwrap()
    };
    use Strategy::{NoTranslation, NoUtf8EscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes};
    assert_eq!(
        with(UnderscoreEscapingWithoutSuffixes, "http.requests__x", "By", NameKind::Counter),
        "http_requests__x"
    );
    assert_eq!(with(NoTranslation, "http.requests", "By", NameKind::Counter), "http.requests");
    assert_eq!(
        with(NoUtf8EscapingWithSuffixes, "http.requests", "By", NameKind::Counter),
        "http.requests_bytes_total"
    );
    assert_eq!(
        with(NoUtf8EscapingWithSuffixes, "http.requests.total", "", NameKind::Counter),
        "http.requests_total"
    );
    assert_eq!(with(NoUtf8EscapingWithSuffixes, "speed", "km/h", NameKind::Gauge), "speed_km_per_hour");
    assert_eq!(with(NoUtf8EscapingWithSuffixes, "use", "1", NameKind::Gauge), "use_ratio");
}

#[test]
fn nothing_to_name_is_an_error() {
    let namer = MetricNamer::new("", Strategy::UnderscoreEscapingWithSuffixes);
    for name in ["", "...", "żółć-ü"] {
        assert_eq!(namer.build(name, "", NameKind::Gauge), Err(InvalidName), "{name}");
    }
}

#[test]
fn labels_follow_the_translator() {
    let strategy = Strategy::UnderscoreEscapingWithSuffixes;
    for (name, want) in [
        ("http.method", "http_method"),
        ("cluster_name", "cluster_name"),
        ("0day", "key_0day"),
        ("_private", "key_private"),
        ("__double", "key_double"),
        ("__reserved__", "__reserved__"),
        ("a..b", "a_b"),
        ("a__b", "a_b"),
        ("ünit", "key_nit"),
        ("label:with:colons", "label_with_colons"),
        ("..", "key_"),
        ("_", "key_"),
    ] {
        assert_eq!(label_name(name, strategy).unwrap(), want, "{name}");
    }
    for name in ["", "____"] {
        assert_eq!(label_name(name, strategy), Err(InvalidName), "{name}");
    }
    assert_eq!(label_name("http.method", Strategy::NoTranslation).unwrap(), "http.method");
}
