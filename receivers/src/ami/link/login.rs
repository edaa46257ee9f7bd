//! From the banner to the answer to the login.

use md5::{Digest as _, Md5};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::action::{Actions, number};
use super::failure::Failure;
use crate::ami::config::{Auth, Config};
use crate::ami::wire::{FrameReader, Item};

/// Longest banner, in bytes.
const BANNER_BYTES: usize = 256;

const BANNER: &str = "Asterisk Call Manager/";

/// The answer to one action.
struct Answer {
    success: bool,
    message: String,
    challenge: String,
}

/// Logs in with events off, so that none comes before it is known whose they are. Returns the version in the banner.
///
/// # Errors
/// Not a manager, a refusal, or the connection broke. The caller limits the time.
pub(super) async fn log_in(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    reader: &mut FrameReader,
    actions: &mut Actions,
    config: &Config,
) -> Result<String, Failure> {
    let version = banner(stream, reader).await?;
    let challenge = match config.auth {
        Auth::Plain => None,
        Auth::Auto | Auth::Md5 => {
            let answer = ask(stream, reader, actions, "Challenge", &[("AuthType", "MD5")]).await?;
            let offered = answer.success && !answer.challenge.is_empty();
            if !offered && config.auth == Auth::Md5 {
                return Err(Failure::Refused(format!("MD5 challenge: {}", answer.message)));
            }
            offered.then_some(answer.challenge)
        }
    };
    let (user, password) = (("Username", config.username.as_str()), config.password.expose());
    let events = ("Events", "off");
    let answer = match challenge {
        Some(challenge) => {
            let key = md5_key(&challenge, password);
            let fields = [("AuthType", "MD5"), user, ("Key", &key), events];
            ask(stream, reader, actions, "Login", &fields).await?
        }
        None => ask(stream, reader, actions, "Login", &[user, ("Secret", password), events]).await?,
    };
    if answer.success { Ok(version) } else { Err(Failure::Refused(answer.message)) }
}

async fn banner(stream: &mut (impl AsyncRead + Unpin), reader: &mut FrameReader) -> Result<String, Failure> {
    loop {
        match reader.banner(BANNER_BYTES) {
            Some(Ok(line)) => {
                let line = String::from_utf8_lossy(&line);
                let version = line.strip_prefix(BANNER).ok_or_else(|| {
                    Failure::NoManager(format!("expected {BANNER:?} and a version, found {line:?}"))
                })?;
                return Ok(version.trim().to_owned());
            }
            Some(Err(_)) => {
                let message = format!(
                    "expected {BANNER:?} and a version, found {BANNER_BYTES} bytes without a line end"
                );
                return Err(Failure::NoManager(message));
            }
            None => read(stream, reader).await?,
        }
    }
}

async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    reader: &mut FrameReader,
    actions: &mut Actions,
    action: &str,
    fields: &[(&str, &str)],
) -> Result<Answer, Failure> {
    let mut out = Vec::new();
    let asked = actions.write(action, fields, &mut out);
    let written = async {
        stream.write_all(&out).await?;
        stream.flush().await
    };
    written.await.map_err(|error| Failure::Lost(error.to_string()))?;
    loop {
        match reader.next() {
            Some(Item::Frame(frame)) => {
                // Asterisk 1.x and the answer to a syntax error carry no ActionID.
                let answers = frame.get("ActionID").is_none_or(|id| number(id) == Some(asked));
                if frame.event().is_some() || !answers {
                    continue;
                }
                let text = |key| String::from_utf8_lossy(frame.get(key).unwrap_or_default()).into_owned();
                return Ok(Answer {
                    success: frame.get("Response").is_some_and(|it| it.eq_ignore_ascii_case(b"Success")),
                    message: text("Message"),
                    challenge: text("Challenge"),
                });
            }
            Some(Item::Dropped(excess)) => {
                return Err(Failure::NoManager(format!("the answer to {action} is too large: {excess:?}")));
            }
            None => read(stream, reader).await?,
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin), reader: &mut FrameReader) -> Result<(), Failure> {
    match stream.read_buf(reader.buffer()).await {
        Ok(0) => Err(Failure::Lost("closed by Asterisk during the login".to_owned())),
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::Lost(format!("during the login: {error}"))),
    }
}

/// What Asterisk compares: the MD5 of challenge and secret, in hexadecimal (main/manager.c).
fn md5_key(challenge: &str, password: &str) -> String {
    let digest = Md5::new().chain_update(challenge).chain_update(password).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_one_that_asterisk_took() {
        // testdata: asterisk22/login_md5_challenge.
        assert_eq!(md5_key("191417987", "secret"), "58ddc886c52ad39bd109d9167e731466");
    }
}
