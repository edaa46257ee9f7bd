use otelcol_confmap::Opaque;
use proptest::prelude::*;

use super::*;

const SALT: &str = "0123456789abcdef";

fn redactor(numbers: Numbers) -> Redactor {
    Redactor::new(&Settings { numbers, salt: Opaque::from(SALT), ..Settings::default() })
}

/// What each mode makes of a value: kept, last4, hashed, dropped. `-` is left out.
fn all(kind: Kind, value: &str) -> String {
    [Numbers::Keep, Numbers::Last4, Numbers::Hash, Numbers::Drop]
        .map(|numbers| redactor(numbers).value(kind, value).map_or_else(|| "-".to_owned(), Cow::into_owned))
        .join(" | ")
}

#[test]
fn numbers_of_their_own() {
    assert_eq!(all(Kind::Number, "4930123456"), "4930123456 | ***3456 | e11eecdd73da0ce5 | -");
    assert_eq!(all(Kind::Number, "+49 (30) 123-456"), "+49 (30) 123-456 | ***3456 | e11eecdd73da0ce5 | -");
    assert_eq!(all(Kind::Number, "1001"), "1001 | 1001 | 1001 | 1001");
    assert_eq!(all(Kind::Number, "<unknown>"), "<unknown> | <unknown> | <unknown> | <unknown>");
    assert_eq!(all(Kind::Number, "anonymous"), "anonymous | anonymous | anonymous | anonymous");
    assert_eq!(
        all(Kind::Number, "sip:4930123456@sbc"),
        "sip:4930123456@sbc | sip:***3456@sbc | sip:e11eecdd73da0ce5@sbc | -"
    );
    assert_eq!(all(Kind::Number, "Max Muster"), "Max Muster | - | 4f1b720cb59ff5b8 | -");
}

#[test]
fn names() {
    assert_eq!(all(Kind::Name, "Max Muster"), "Max Muster | - | 4f1b720cb59ff5b8 | -");
    assert_eq!(all(Kind::Name, ""), " |  |  | ");
    let names = Some(Names::Keep);
    let kept = Redactor::new(&Settings { numbers: Numbers::Last4, names, ..Settings::default() });
    assert_eq!(kept.name("Max Muster").as_deref(), Some("Max Muster"));
    assert_eq!(kept.name("4930123456").as_deref(), Some("***3456"), "a name that is the number");
}

#[test]
fn name_and_number() {
    assert_eq!(
        all(Kind::CallerId, "\"Max Muster\" <4930123456>"),
        "\"Max Muster\" <4930123456> | <***3456> | \"4f1b720cb59ff5b8\" <e11eecdd73da0ce5> | -"
    );
    assert_eq!(all(Kind::CallerId, "\"\" <1001>"), "\"\" <1001> | \"\" <1001> | \"\" <1001> | \"\" <1001>");
    assert_eq!(all(Kind::CallerId, "4930123456"), "4930123456 | ***3456 | e11eecdd73da0ce5 | -");
}

#[test]
fn channels_keep_their_counter() {
    assert_eq!(
        all(Kind::Channel, "Local/4930123456@out-00000001;2"),
        "Local/4930123456@out-00000001;2 | Local/***3456@out-00000001;2 | Local/e11eecdd73da0ce5@out-00000001;2 | \
         Local/***@out-00000001;2"
    );
    let short = "PJSIP/1001-12345678";
    assert_eq!(all(Kind::Channel, short), [short; 4].join(" | "));
    assert_eq!(redactor(Numbers::Last4).channel("DAHDI/i1/4930123456-1"), "DAHDI/i1/***3456-1");
}

#[test]
fn numbers_in_text() {
    let dial = "PJSIP/+4930123456@trunk/600,30,b(x^1001)";
    assert_eq!(redactor(Numbers::Last4).text(dial), "PJSIP/***3456@trunk/600,30,b(x^1001)");
    assert_eq!(redactor(Numbers::Drop).text(dial), "PJSIP/***@trunk/600,30,b(x^1001)");
    assert_eq!(redactor(Numbers::Last4).text("a12345b678901"), "a***2345b***8901");
    assert_eq!(redactor(Numbers::Last4).text("grüße 12345 ✓"), "grüße ***2345 ✓");
    assert!(matches!(redactor(Numbers::Last4).text("10.0.0.1:5060"), Cow::Borrowed("10.0.0.1:5060")));
}

#[test]
fn all_numbers_where_extensions_are_to_go_too() {
    let strict = Redactor::new(&Settings { numbers: Numbers::Drop, min_digits: 1, ..Settings::default() });
    assert_eq!(strict.number("1001"), None);
    assert_eq!(strict.channel("PJSIP/1001-0000005b"), "PJSIP/***-0000005b");
}

#[test]
fn dialled_digits_and_secrets() {
    assert_eq!(all(Kind::Digits, "7"), "7 | - | - | -");
    assert_eq!(all(Kind::Secret, "76ee7641"), "- | - | - | -");
    assert_eq!(all(Kind::Plain, "1795307462.122"), ["1795307462.122"; 4].join(" | "));
}

#[test]
fn fields_of_ami() {
    let kinds = [
        ("CallerIDNum", Kind::Number),
        ("CallerIDnum", Kind::Number),
        ("CallerIDani", Kind::Number),
        ("DestConnectedLineNum", Kind::Number),
        ("OrigTransfererCallerIDName", Kind::Name),
        ("CallerID", Kind::CallerId),
        ("TransfereeChannel", Kind::Channel),
        ("DestinationChannel", Kind::Channel),
        ("Destination", Kind::Number),
        ("Exten", Kind::Text),
        ("DialString", Kind::Text),
        ("Value", Kind::Text),
        ("AccountID", Kind::Text),
        ("UniqueID", Kind::Plain),
        ("DestLinkedid", Kind::Plain),
        ("BridgeUniqueid", Kind::Plain),
        ("Report0HighestSequence", Kind::Plain),
        ("EventTime", Kind::Plain),
        ("Digit", Kind::Digits),
        ("receivedhash", Kind::Secret),
        ("", Kind::Text),
        ("é", Kind::Text),
    ];
    for (field, kind) in kinds {
        assert_eq!(Kind::of(field), kind, "{field}");
    }
}

#[test]
fn settings_say_what_is_wrong() {
    let settings =
        Settings { numbers: Numbers::Hash, salt: Opaque::from("short"), min_digits: 0, names: None };
    let found: Vec<String> =
        settings.issues().into_iter().map(|issue| format!("{}: {}", issue.path, issue.message)).collect();
    assert_eq!(
        found,
        [
            "salt: a hash needs a secret salt of at least 16 bytes, found 5; take one from `openssl rand -hex 16` and \
             give it as ${env:NAME}",
            "min_digits: expected at least 1, found 0",
        ]
    );
    assert_eq!(Settings::default().issues(), []);
}

proptest! {
    /// However a number is written around, its digits do not come out, and what is not a number stays.
    #[test]
    fn no_run_of_digits_survives(text in "([a-z/@+:;.-]|[0-9]{1,9}|ü){0,12}", drop: bool) {
        let out = redactor(if drop { Numbers::Drop } else { Numbers::Last4 }).text(&text).into_owned();
        let longest = |text: &str| text.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
        prop_assert!(longest(&out) < 5, "{text:?} became {out:?}");
        if longest(&text) < 5 {
            prop_assert_eq!(out, text);
        }
    }
}
