use super::*;

fn refused(endpoint: &str) -> String {
    Listener::bind(endpoint).unwrap_err().to_string()
}

#[test]
fn every_form_of_endpoint_is_bound() {
    let LocalAddr::Tcp(v4) = Listener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() else { panic!() };
    assert!(v4.is_ipv4() && v4.port() > 0);
    let LocalAddr::Tcp(named) =
        Listener::bind_transport("tcp4", "localhost:0").unwrap().local_addr().unwrap()
    else {
        panic!()
    };
    assert_eq!(named.ip().to_string(), "127.0.0.1");
}

#[test]
fn errors_say_what_and_where_in_gos_words() {
    let taken = Listener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _holder = Listener::bind(&taken.to_string()).unwrap();
    assert_eq!(refused(&taken.to_string()), format!("listen tcp {taken}: bind: address already in use"));
    assert_eq!(refused("192.0.2.1:0"), "listen tcp 192.0.2.1:0: bind: cannot assign requested address");
    assert_eq!(refused("4317"), "listen tcp 4317: missing port in address, expected host:port");
    assert_eq!(refused("127.0.0.1:port"), "listen tcp 127.0.0.1:port: invalid port \"port\"");
    assert_eq!(
        Listener::bind_transport("udp", "127.0.0.1:0").unwrap_err().to_string(),
        "listen tcp 127.0.0.1:0: unsupported transport type \"udp\", expected tcp, tcp4, tcp6 or unix"
    );
    assert_eq!(
        refused("unix:/nonexistent/x.sock"),
        "listen unix /nonexistent/x.sock: bind: no such file or directory"
    );
}

#[test]
fn a_clone_keeps_the_port() {
    let first = Listener::bind("127.0.0.1:0").unwrap();
    let address = first.local_addr().unwrap();
    let second = first.try_clone().unwrap();
    drop(first);
    assert_eq!(second.local_addr().unwrap(), address);
    assert!(Listener::bind(&address.to_string()).is_err(), "the socket is still held");
}

#[test]
fn a_unix_socket_replaces_a_stale_file_and_removes_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let endpoint = format!("unix:{}", path.display());
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "what a killed process leaves");
    let first = Listener::bind(&endpoint).unwrap();
    let second = first.try_clone().unwrap();
    assert!(refused(&endpoint).ends_with("bind: address already in use"));
    drop(first);
    assert!(path.exists(), "the clone still listens");
    drop(second);
    assert!(!path.exists());
    std::fs::write(&path, "no socket").unwrap();
    assert!(refused(&endpoint).ends_with("bind: address already in use"), "a file that is no socket stays");
}
