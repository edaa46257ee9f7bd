use std::time::Duration;

use http::HeaderValue;
use otelcol_confmap::Resolver;
use otelcol_net::Code;
use otelcol_pipeline::{ComponentConfig, Kind};

use super::*;

fn config(yaml: &str) -> Config {
    let resolved = Resolver::new(vec![format!("yaml:{yaml}")], Vec::new()).resolve().unwrap();
    resolved.root.decode("bearertokenauth").unwrap()
}

fn auth(yaml: &str) -> Arc<BearerTokenAuth> {
    let context = Context::detached(Kind::Extension, "bearertokenauth");
    Arc::new(BearerTokenAuth::new(context, config(yaml)))
}

async fn answer(auth: &BearerTokenAuth, name: &'static str, value: &str) -> Result<AuthAttributes, String> {
    let headers = HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_str(value).unwrap())]);
    auth.authenticate(&headers).await.map_err(|refused| {
        assert_eq!(refused.code, Code::Unauthenticated);
        refused.message
    })
}

fn sent(auth: &BearerTokenAuth, name: &str) -> Result<String, Refusal> {
    let mut headers = HeaderMap::new();
    auth.apply(&mut headers, None)?;
    assert!(headers[name].is_sensitive());
    Ok(headers[name].to_str().unwrap().to_owned())
}

const WRONG: &str = "provided authorization does not match expected scheme or token";

#[tokio::test]
async fn known_tokens_are_let_in_and_the_first_is_sent() {
    let one = auth("token: s3cret");
    assert_eq!(answer(&one, "authorization", "Bearer s3cret").await, Ok(AuthAttributes::new()));
    for wrong in ["Bearer s3cre", "Bearer s3crets", "s3cret", "bearer s3cret", "Bearer  s3cret", ""] {
        assert_eq!(answer(&one, "authorization", wrong).await, Err(WRONG.to_owned()), "{wrong}");
    }
    let missing = answer(&one, "x", "y").await.unwrap_err();
    assert_eq!(missing, "missing or empty authorization header: Authorization");
    assert_eq!(sent(&one, "authorization").unwrap(), "Bearer s3cret");

    let several = auth("{tokens: [a, b], header: X-Token, scheme: ''}");
    assert_eq!(answer(&several, "x-token", "b").await, Ok(AuthAttributes::new()));
    assert_eq!(answer(&several, "x-token", "c").await, Err(WRONG.to_owned()));
    assert_eq!(sent(&several, "x-token").unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn tokens_of_a_file_are_read_again_and_until_it_is_there_nobody_is_let_in() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let auth = auth(&format!("{{filename: {}, token: ignored}}", path.display()));
    auth.start(&Host::default()).await.unwrap();
    assert_eq!(answer(&auth, "authorization", "Bearer ignored").await, Err(WRONG.to_owned()));
    assert_eq!(answer(&auth, "authorization", "Bearer ").await, Err(WRONG.to_owned()));
    let early = sent(&auth, "authorization").unwrap_err();
    assert_eq!(early.code, Code::Unavailable, "it is worth trying again");
    std::fs::write(&path, "old comment\n\n  older\n").unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(sent(&auth, "authorization").unwrap(), "Bearer old");
    assert_eq!(answer(&auth, "authorization", "Bearer older").await, Ok(AuthAttributes::new()));
    std::fs::write(&path, "new").unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(sent(&auth, "authorization").unwrap(), "Bearer new");
    assert_eq!(answer(&auth, "authorization", "Bearer old").await, Err(WRONG.to_owned()));
    std::fs::write(&path, "half\u{1}written").unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(sent(&auth, "authorization").unwrap(), "Bearer new");
}

#[tokio::test(start_paused = true)]
async fn a_start_can_wait_for_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let yaml = format!(
        "{{filename: {}, wait_for_token_file: true, retry_on_failure: {{enabled: true, max_retries: 3, interval: 5s}}}}",
        path.display()
    );
    let error = auth(&yaml).start(&Host::default()).await.unwrap_err().to_string();
    assert!(error.starts_with("max number of retries (3) reached: failed to read "), "{error}");
    let waiting = auth(&yaml);
    let write = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        std::fs::write(&path, "late").unwrap();
    };
    let host = Host::default();
    let (started, ()) = tokio::join!(waiting.start(&host), write);
    started.unwrap();
    assert_eq!(sent(&waiting, "authorization").unwrap(), "Bearer late");
}

#[test]
fn settings_that_can_not_be_are_told() {
    for (yaml, key, text) in [
        ("scheme: x", "", "no bearer token provided"),
        ("{token: a, tokens: [b]}", "tokens", "either tokens or token should be provided, not both"),
        (
            "{token: a, wait_for_token_file: true, retry_on_failure: {enabled: true, interval: 1s}}",
            "filename",
            "requires filename to be set",
        ),
        (
            "{filename: a, wait_for_token_file: true}",
            "wait_for_token_file",
            "wait_for_token_file requires retry_on_failure to be enabled",
        ),
        ("{token: a, header: 'x y'}", "header", "\"x y\" can not be the name of a header"),
    ] {
        let issues: Vec<_> = config(yaml).validate();
        assert_eq!(issues, [otelcol_pipeline::ConfigIssue::new(key, text)], "{yaml}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!("{:?}", config("{token: s3cret, tokens: [s3cret]}"));
    assert!(!printed.contains("s3cret"), "{printed}");
}
