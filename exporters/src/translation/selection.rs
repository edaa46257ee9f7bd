//! Which resource attributes become labels of each series.

/// A choice of resource attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    None,
    All,
    /// All but those that `job` and `instance` show.
    AllButService,
    /// Those that match `included` (all, if empty) and not `excluded`.
    Patterns {
        included: Vec<String>,
        excluded: Vec<String>,
    },
}

pub(crate) const SERVICE_NAME: &str = "service.name";
pub(crate) const SERVICE_NAMESPACE: &str = "service.namespace";
pub(crate) const SERVICE_INSTANCE_ID: &str = "service.instance.id";

/// Whether `job` and `instance` are made of this attribute.
pub(crate) fn is_service_attribute(key: &str) -> bool {
    matches!(key, SERVICE_NAME | SERVICE_NAMESPACE | SERVICE_INSTANCE_ID)
}

impl Selection {
    pub(crate) fn selects(&self, key: &str) -> bool {
        match self {
            Selection::None => false,
            Selection::All => true,
            Selection::AllButService => !is_service_attribute(key),
            Selection::Patterns { included, excluded } => {
                let any =
                    |patterns: &[String]| patterns.iter().any(|p| matches(p.as_bytes(), key.as_bytes()));
                !any(excluded) && (included.is_empty() || any(included))
            }
        }
    }
}

/// Whether `text` matches `pattern`, where `*` stands for any run of bytes and `?` for any one character.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                last_star = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(b'?') => {
                at_pattern += 1;
                at_text += char_len(text[at_text]);
            }
            Some(byte) if *byte == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => {
                let Some((star, from)) = last_star else { return false };
                at_pattern = star + 1;
                at_text = from + 1;
                last_star = Some((star, at_text));
            }
        }
    }
    pattern[at_pattern..].iter().all(|byte| *byte == b'*')
}

/// Length of the UTF-8 character that begins with `first`.
fn char_len(first: u8) -> usize {
    match first.leading_ones() {
        0 | 1 => 1,
        ones => ones as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_globs() {
        for (pattern, text, want) in [
            ("host.name", "host.name", true),
            ("host.name", "host.names", false),
            ("service*", "service.name", true),
            ("k8s.*.name", "k8s.pod.name", true),
            ("k8s.*.name", "k8s.pod.uid", false),
            ("*a*b*c", "xxaxxbxbxc", true),
            ("*a*b*c", "xxaxxbxbx", false),
            ("h?st", "host", true),
            ("h?st", "höst", true),
            ("h?st", "hst", false),
            ("*", "", true),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), want, "{pattern} {text}");
        }
    }

    #[test]
    fn an_exclusion_alone_includes_the_rest() {
        let patterns = |included: &[&str], excluded: &[&str]| Selection::Patterns {
            included: included.iter().map(ToString::to_string).collect(),
            excluded: excluded.iter().map(ToString::to_string).collect(),
        };
        assert!(patterns(&[], &["service.*"]).selects("host.name"));
        assert!(!patterns(&[], &["service.*"]).selects("service.name"));
        assert!(!patterns(&["host.*"], &[]).selects("service.name"));
        assert!(!patterns(&["*"], &["host.*"]).selects("host.name"));
        assert!(Selection::AllButService.selects("host.name"));
        assert!(!Selection::AllButService.selects("service.namespace"));
    }
}
