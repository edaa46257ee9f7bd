use std::fmt::Write as _;
use std::io::ErrorKind;

use proptest::prelude::*;

use super::*;

#[test]
fn each_column_of_a_cpu_has_its_place() {
    let mut cpus = Vec::new();
    cpu_times(b"cpu 1 1 1 1\ncpu7 1 2 3 4 5 6 7 8 9 10\nintr 5\n", &mut cpus).unwrap();
    let expected = CpuTimes {
        cpu: 7,
        user: 1,
        nice: 2,
        system: 3,
        idle: 4,
        wait: 5,
        interrupt: 6,
        softirq: 7,
        steal: 8,
    };
    assert_eq!(cpus, [expected]);
}

#[test]
fn columns_of_later_kernels_are_zero() {
    let mut cpus = Vec::new();
    cpu_times(b"cpu  4 4 4 4\ncpu0 1 2 3 4", &mut cpus).unwrap();
    assert_eq!(cpus, [CpuTimes { cpu: 0, user: 1, nice: 2, system: 3, idle: 4, ..CpuTimes::default() }]);
}

#[test]
fn thousands_of_cpus_are_read() {
    let mut stat = String::from("cpu  1 1 1 1 1 1 1 1 1 1\n");
    for cpu in 0..4096_u64 {
        writeln!(stat, "cpu{cpu} {} 0 0 {cpu} 0 0 0 0 0 0", u64::MAX - cpu).unwrap();
    }
    stat.push_str("btime 17\n");
    let mut cpus = Vec::new();
    cpu_times(stat.as_bytes(), &mut cpus).unwrap();
    assert_eq!(cpus.len(), 4096);
    assert_eq!(cpus[4095], CpuTimes { cpu: 4095, user: u64::MAX - 4095, idle: 4095, ..CpuTimes::default() });
    assert_eq!(boot_time(stat.as_bytes()), Ok(17));
}

#[test]
fn a_stat_that_is_none_says_what_is_missing() {
    let mut cpus = vec![CpuTimes::default()];
    let error = cpu_times(b"cpu  1 2 3 4\n", &mut cpus).unwrap_err();
    assert_eq!(error.to_string(), r#"expected a line for each cpu<N>, found "cpu  1 2 3 4""#);
    assert!(cpus.is_empty());
    let error = cpu_times(b"cpu0 1 2 -3 4\n", &mut cpus).unwrap_err();
    assert_eq!(error.to_string(), r#"expected cpu<N> and at least four numbers, found "cpu0 1 2 -3 4""#);
    assert_eq!(boot_time(b"cpu 1\n").unwrap_err().to_string(), r#"expected a btime line, found """#);
}

#[test]
fn a_number_that_does_not_fit_is_no_number() {
    assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
    assert_eq!(number(b"18446744073709551616"), None);
    assert_eq!(number(b"99999999999999999999"), None);
    assert_eq!(number(b"+1"), None);
    assert_eq!(number(b""), None);
}

#[test]
fn memory_that_programs_can_have_is_estimated_as_the_kernel_does() {
    // 1000 free - 100 low + 600 of files - min(300, 100) + 80 of slabs - min(40, 100)
    let info = MemInfo {
        free: 1000,
        page_cache: 700,
        active_file: Some(400),
        inactive_file: Some(200),
        slab_reclaimable: Some(80),
        ..MemInfo::default()
    };
    assert_eq!(info.estimate_available(Some(100)), 1440);
    assert_eq!(info.estimate_available(Some(2000)), 300 + 40);
    assert_eq!(info.estimate_available(None), 1780);
}

#[test]
fn a_meminfo_without_a_total_is_refused() {
    let error = parse_meminfo(b"MemTotal: 0 kB\n").unwrap_err();
    assert_eq!(error.to_string(), r#"expected a MemTotal above 0, found "MemTotal: 0 kB""#);
    let error = parse_meminfo(b"MemTotal: 10 pages\n").unwrap_err();
    assert_eq!(error.to_string(), r#"expected a number, and kB or nothing, found "MemTotal: 10 pages""#);
}

#[test]
fn one_bad_device_does_not_cost_the_others() {
    let bytes =
        b"8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 1 sdb 1 2 x 4 5 6 7 8 9 10 11\n8 2 sdc 0 0 0 0 0 0 0 0 0 0 1\n";
    let disks: Vec<_> = parse_diskstats(bytes).collect();
    let [Ok(sda), Err(sdb), Ok(sdc)] = disks.as_slice() else {
        panic!("{disks:?}");
    };
    assert_eq!((sda.device.as_ref(), sda.read.bytes, sda.write.bytes), ("sda", 3 * 512, 7 * 512));
    assert_eq!((sda.in_flight, sda.io_millis, sda.weighted_io_millis), (9, 10, 11));
    assert_eq!(
        sdb.to_string(),
        r#"expected major, minor, device and eleven numbers, found "8 1 sdb 1 2 x 4 5 6 7 8 9 10 11""#
    );
    assert_eq!((sdc.device.as_ref(), sdc.weighted_io_millis), ("sdc", 1));
}

#[test]
fn an_interface_may_have_any_name() {
    let bytes = b"heading\nheading\n  a:b\xff:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\nnonsense\n";
    let interfaces: Vec<_> = parse_net_dev(bytes).collect();
    let [Ok(interface), Err(bad)] = interfaces.as_slice() else {
        panic!("{interfaces:?}");
    };
    assert_eq!(interface.interface, "a:b\u{fffd}");
    assert_eq!((interface.receive.bytes, interface.receive.dropped), (1, 4));
    assert_eq!((interface.transmit.bytes, interface.transmit.dropped), (9, 12));
    assert_eq!(bad.to_string(), r#"expected an interface, a colon and sixteen numbers, found "nonsense""#);
}

#[test]
fn a_socket_of_an_unknown_state_is_an_error() {
    assert_eq!(tcp_state(b" 0: A:1 B:2 04 0").map(|state| TCP_STATES[state]), Ok("FIN_WAIT_1"));
    assert_eq!(
        tcp_state(b" 0: A:1 B:2 FF 0").unwrap_err().to_string(),
        r#"expected a socket with a state of 01 to 0C, found " 0: A:1 B:2 FF 0""#
    );
}

#[test]
fn load_is_three_finite_numbers() {
    assert_eq!(parse_loadavg(b"0.10 2.00 13.37 1/2 3\n"), Ok([0.1, 2.0, 13.37]));
    assert!(parse_loadavg(b"0.10 inf 1 1/2 3\n").is_err());
    assert!(parse_loadavg(b"0.10 1").is_err());
}

#[test]
fn cpuinfo_of_other_processors_has_no_frequency() {
    let arm = b"processor\t: 0\nBogoMIPS\t: 243.75\nCPU part\t: 0xd0c\n\nprocessor\t: 1\n";
    assert_eq!(frequencies(arm), []);
    assert_eq!(physical_cores(arm), 0);
}

#[test]
fn a_file_beyond_the_limit_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stat");
    File::create(&path).unwrap().set_len(MAX_FILE as u64 + 1).unwrap();
    let mut host = Host::new("", |_| None);
    let error = host.read(&path).unwrap_err();
    assert!(matches!(error, ScrapeError::TooLarge { limit: MAX_FILE, .. }), "{error}");
    File::create(&path).unwrap().set_len(MAX_FILE as u64).unwrap();
    assert_eq!(host.read(&path).unwrap().len(), MAX_FILE);
}

#[test]
fn a_missing_file_says_which_and_what_to_do() {
    let mut host = Host::new("/no/such/root", |_| None);
    let error = host.parse("stat", boot_time).unwrap_err();
    assert!(matches!(&error, ScrapeError::Read { source, .. } if source.kind() == ErrorKind::NotFound));
    assert_eq!(
        error.to_string(),
        "cannot read /no/such/root/proc/stat: No such file or directory (os error 2); \
         in a container, mount the host's / and set root_path"
    );
}

#[test]
fn the_environment_wins_over_the_root_path() {
    let env = |variable: &str| (variable == "HOST_PROC").then(|| "/elsewhere".into());
    let host = Host::new("/host", env);
    assert_eq!(host.proc("stat"), Path::new("/elsewhere/stat"));
    assert_eq!(host.sys("devices"), Path::new("/host/sys/devices"));
    assert_eq!(Host::new("", |_| None).proc("stat"), Path::new("/proc/stat"));
}

#[test]
fn lines_come_one_by_one_in_constant_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tcp");
    std::fs::write(&path, [b"one\n".as_slice(), &[b'x'; 5000], b"\nlast"].concat()).unwrap();
    let mut lengths = Vec::new();
    Host::new("", |_| None).each_line(&path, |line| lengths.push(line.len())).unwrap();
    assert_eq!(lengths, [3, 4096, 904, 4]);
}

proptest! {
    #[test]
    fn digits_are_read_as_the_standard_library_reads_them(text in "[0-9]{0,24}") {
        prop_assert_eq!(number(text.as_bytes()), text.parse().ok());
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut cpus = Vec::new();
        let _ = (cpu_times(&bytes, &mut cpus), boot_time(&bytes), parse_meminfo(&bytes), parse_loadavg(&bytes));
        let _ = (parse_low_watermark(&bytes), frequencies(&bytes), physical_cores(&bytes), tcp_state(&bytes));
        let _ = (parse_diskstats(&bytes).count(), parse_net_dev(&bytes).count());
    }

    #[test]
    fn nearly_right_lines_do_not_panic(text in "(cpu|btime|MemTotal:|low|[a-z]{1,3}:| |[0-9]{1,21}|\n|kB){0,60}") {
        let bytes = text.as_bytes();
        let mut cpus = Vec::new();
        let _ = (cpu_times(bytes, &mut cpus), boot_time(bytes), parse_meminfo(bytes), parse_low_watermark(bytes));
        let _ = (parse_diskstats(bytes).count(), parse_net_dev(bytes).count());
    }

    #[test]
    fn interfaces_are_what_was_written(
        devices in proptest::collection::vec(("[a-z0-9.:@-]{1,15}", proptest::array::uniform16(any::<u64>())), 0..20),
    ) {
        let mut text = String::from("Inter-| Receive\n face |bytes\n");
        for (name, numbers) in &devices {
            let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
            writeln!(text, "{name:>6}:{}", numbers.join("   ")).unwrap();
        }
        let parsed: Vec<_> = parse_net_dev(text.as_bytes()).map(Result::unwrap).collect();
        prop_assert_eq!(parsed.len(), devices.len());
        for (interface, (name, numbers)) in parsed.iter().zip(&devices) {
            prop_assert_eq!(&interface.interface, name);
            let receive = interface.receive;
            prop_assert_eq!(vec![receive.bytes, receive.packets, receive.errors, receive.dropped], numbers[..4].to_vec());
            let transmit = interface.transmit;
            prop_assert_eq!(vec![transmit.bytes, transmit.packets, transmit.errors, transmit.dropped], numbers[8..12].to_vec());
        }
    }
}
