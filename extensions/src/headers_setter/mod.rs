//! Headers of requests from settings, or from who sent the data: tenants, tokens that are passed on.

mod config;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use http::{HeaderMap, HeaderName};
use otelcol_net::{ClientAuth, Status, secret_header, unauthenticated};
use otelcol_pdata::Client;
use otelcol_pipeline::{Component, ComponentError, Context, Extension, ExtensionFactory, Host};

pub use config::{Action, Config, HeaderConfig};

use crate::secret_file::{SecretFile, fits_header};

/// The extension type `headers_setter`.
pub fn factory() -> ExtensionFactory {
    ExtensionFactory::extension("headers_setter", create)
}

fn create(_: Context, config: Config) -> Result<Arc<dyn Extension>, ComponentError> {
    let steps = config.headers.iter().map(Step::new).collect::<Result<_, _>>()?;
    Ok(Arc::new(HeadersSetter {
        steps,
        additional_auth: config.additional_auth,
        additional: OnceLock::new(),
    }))
}

struct HeadersSetter {
    steps: Vec<Step>,
    additional_auth: String,
    additional: OnceLock<Arc<dyn ClientAuth>>,
}

struct Step {
    name: HeaderName,
    action: Action,
    source: Source,
}

enum Source {
    Value(String),
    File(SecretFile),
    Context { header: String, default: String },
    Attribute { name: String, default: String },
}

impl Step {
    fn new(config: &HeaderConfig) -> Result<Self, ComponentError> {
        let name = HeaderName::try_from(&config.key)
            .map_err(|_| ComponentError::new(format!("invalid header name {:?}", config.key)))?;
        let default =
            config.default_value.as_ref().map(|value| value.expose().to_owned()).unwrap_or_default();
        let source = if let Some(path) = &config.value_file {
            Source::File(SecretFile::new(path).expecting(fits_header, "the value of a header"))
        } else if let Some(header) = &config.from_context {
            Source::Context { header: header.clone(), default }
        } else if let Some(name) = &config.from_attribute {
            Source::Attribute { name: name.clone(), default }
        } else {
            // A step that deletes has none, and needs none.
            Source::Value(config.value.as_ref().map(|value| value.expose().to_owned()).unwrap_or_default())
        };
        Ok(Self { name, action: config.action, source })
    }

    fn apply(&self, headers: &mut HeaderMap, client: Option<&Client>) -> Result<(), Status> {
        // An empty header counts as missing, as in contrib.
        let there = headers.get(&self.name).is_some_and(|value| !value.is_empty());
        match self.action {
            Action::Delete => {
                headers.remove(&self.name);
            }
            Action::Insert if there => {}
            Action::Update if !there => {}
            Action::Insert | Action::Update | Action::Upsert => {
                let (name, value) = secret_header(self.name.as_str(), &self.source.value(client)?)?;
                headers.insert(name, value);
            }
        }
        Ok(())
    }
}

impl Source {
    fn value<'a>(&'a self, client: Option<&'a Client>) -> Result<Cow<'a, str>, Status> {
        match self {
            Source::Value(value) => Ok(value.into()),
            Source::File(file) => {
                let missing = || Status::unavailable("a file with a header's value is not there");
                file.content().map(|content| Cow::Owned(content.to_string())).ok_or_else(missing)
            }
            Source::Context { header, default } => match client.map(|client| client.metadata.get(header)) {
                None | Some([]) => Ok(default.into()),
                Some([value]) => Ok(value.into()),
                Some(values) => Err(unauthenticated(format!(
                    "{} source keys found in the context, can't determine which one to use",
                    values.len()
                ))),
            },
            Source::Attribute { name, default } => {
                Ok(client.and_then(|client| client.auth.get(name)).unwrap_or(default).into())
            }
        }
    }
}

#[async_trait]
impl Component for HeadersSetter {
    async fn start(&self, host: &Host) -> Result<(), ComponentError> {
        for step in &self.steps {
            if let Source::File(file) = &step.source {
                file.load().map_err(ComponentError::new)?;
            }
        }
        if !self.additional_auth.is_empty() {
            // The first stays: a component is started once.
            let _ = self.additional.set(host.client_auth(&self.additional_auth)?);
        }
        Ok(())
    }
}

impl Extension for HeadersSetter {
    fn client_auth(self: Arc<Self>) -> Option<Arc<dyn ClientAuth>> {
        Some(self)
    }

    fn additional_auth(&self) -> Option<&str> {
        Some(self.additional_auth.as_str()).filter(|name| !name.is_empty())
    }
}

impl ClientAuth for HeadersSetter {
    fn apply(&self, headers: &mut HeaderMap, client: Option<&Client>) -> Result<(), Status> {
        match self.additional.get() {
            Some(additional) => additional.apply(headers, client)?,
            None if self.additional_auth.is_empty() => {}
            None => return Err(Status::unavailable("the additional authenticator is not there yet")),
        }
        self.steps.iter().try_for_each(|step| step.apply(headers, client))
    }

    fn requires_tls(&self) -> bool {
        self.additional.get().is_some_and(|additional| additional.requires_tls())
    }
}
