//! Passwords as htpasswd files hold them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use sha_crypt::{
    ROUNDS_DEFAULT, ROUNDS_MAX, ROUNDS_MIN, Sha256Params, Sha512Params, sha256_crypt_b64, sha512_crypt_b64,
};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

/// A password that can be compared with, but not read.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Hash {
    /// As it is, or behind `{PLAIN}`.
    Plain(String),
    /// `{SHA}`: SHA-1. `{SSHA}`: SHA-1 with a salt behind the password.
    Sha1 {
        digest: Vec<u8>,
        salt: Vec<u8>,
    },
    /// `$apr1$` (Apache's MD5) and `$1$` (crypt's): the same but for the prefix.
    Md5 {
        prefix: &'static str,
        salt: String,
        digest: String,
    },
    Bcrypt(String),
    /// `$5$` and `$6$` of crypt.
    Sha2Crypt {
        wide: bool,
        rounds: usize,
        salt: String,
        digest: String,
    },
}

impl Hash {
    /// What the second part of a line holds; None where it claims a form that it has not.
    pub(super) fn parse(text: &str) -> Option<Self> {
        for prefix in ["$apr1$", "$1$"] {
            if let Some(rest) = text.strip_prefix(prefix) {
                let (salt, digest) = rest.split_once('$')?;
                return Some(Hash::Md5 { prefix, salt: salt.to_owned(), digest: digest.to_owned() });
            }
        }
        if let Some(rest) = text.strip_prefix("{SHA}") {
            let digest = STANDARD.decode(rest).ok().filter(|digest| digest.len() == SHA1_SIZE)?;
            return Some(Hash::Sha1 { digest, salt: Vec::new() });
        }
        if let Some(rest) = text.strip_prefix("{SSHA}") {
            let mut digest = STANDARD.decode(rest).ok().filter(|digest| digest.len() >= SHA1_SIZE)?;
            let salt = digest.split_off(SHA1_SIZE);
            return Some(Hash::Sha1 { digest, salt });
        }
        if ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            return (text.len() == BCRYPT_SIZE && text.is_ascii()).then(|| Hash::Bcrypt(text.to_owned()));
        }
        for (prefix, wide) in [("$5$", false), ("$6$", true)] {
            if let Some(rest) = text.strip_prefix(prefix) {
                return sha2_crypt(rest, wide);
            }
        }
        Some(Hash::Plain(text.to_owned()))
    }

    /// Whether comparing takes milliseconds of computing, on purpose.
    pub(super) fn is_slow(&self) -> bool {
        !matches!(self, Hash::Plain(_) | Hash::Sha1 { .. })
    }

    /// Whether this is the password.
    pub(super) fn matches(&self, password: &str) -> bool {
        match self {
            Hash::Plain(known) => {
                let plain = same(password.as_bytes(), known.as_bytes());
                let prefixed = known.strip_prefix("{PLAIN}");
                plain || prefixed.is_some_and(|known| same(password.as_bytes(), known.as_bytes()))
            }
            Hash::Sha1 { digest, salt } => {
                same(&Sha1::new().chain_update(password).chain_update(salt).finalize(), digest)
            }
            Hash::Md5 { prefix, salt, digest } => {
                same(md5_crypt(password, salt, prefix).as_bytes(), digest.as_bytes())
            }
            Hash::Bcrypt(known) => bcrypt::verify(password, known).unwrap_or(false),
            Hash::Sha2Crypt { wide, rounds, salt, digest } => {
                let (password, salt) = (password.as_bytes(), salt.as_bytes());
                let made = if *wide {
                    Sha512Params::new(*rounds).and_then(|rounds| sha512_crypt_b64(password, salt, &rounds))
                } else {
                    Sha256Params::new(*rounds).and_then(|rounds| sha256_crypt_b64(password, salt, &rounds))
                };
                made.is_ok_and(|made| same(made.as_bytes(), digest.as_bytes()))
            }
        }
    }
}

/// What follows `$5$` or `$6$`: `[rounds=N$]salt$digest` (Drepper's SHA-crypt.txt).
fn sha2_crypt(text: &str, wide: bool) -> Option<Hash> {
    let (rounds, text) = match text.strip_prefix("rounds=") {
        None => (ROUNDS_DEFAULT, text),
        Some(rest) => {
            let (rounds, rest) = rest.split_once('$')?;
            (rounds.parse().ok()?, rest)
        }
    };
    let (salt, digest) = text.split_once('$')?;
    let rounds = usize::clamp(rounds, ROUNDS_MIN, ROUNDS_MAX);
    Some(Hash::Sha2Crypt { wide, rounds, salt: salt.to_owned(), digest: digest.to_owned() })
}

const SHA1_SIZE: usize = 20;
const BCRYPT_SIZE: usize = 60;

/// Takes the same time wherever two texts of one length differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// MD5 as crypt(3) and Apache repeat it (crypt-md5.c, apr_md5.c): 22 characters.
fn md5_crypt(password: &str, salt: &str, prefix: &str) -> String {
    let (password, salt) = (password.as_bytes(), &salt.as_bytes()[..salt.len().min(8)]);
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut outer = Md5::new().chain_update(password).chain_update(prefix).chain_update(salt);
    for start in (0..password.len()).step_by(inner.len()) {
        outer.update(&inner[..inner.len().min(password.len() - start)]);
    }
    let mut bits = password.len();
    while bits > 0 {
        outer.update(if bits & 1 == 1 { &[0] } else { &password[..1] });
        bits >>= 1;
    }
    let mut digest = outer.finalize();
    for round in 0..1000 {
        let mut next = Md5::new();
        let (first, last): (&[u8], &[u8]) =
            if round % 2 == 1 { (password, &digest) } else { (&digest, password) };
        next.update(first);
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(last);
        digest = next.finalize();
    }
    let mut out = String::with_capacity(22);
    for [a, b, c] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        push_sextets(&mut out, u32::from_be_bytes([0, digest[a], digest[b], digest[c]]), 4);
    }
    push_sextets(&mut out, u32::from(digest[11]), 2);
    out
}

/// crypt's own alphabet, lowest six bits first.
fn push_sextets(out: &mut String, mut bits: u32, count: usize) {
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for _ in 0..count {
        out.push(char::from(ALPHABET[(bits & 63) as usize]));
        bits >>= 6;
    }
}
