//! Who may log in.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use otelcol_net::{Status, unauthenticated};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::config::Htpasswd;
use super::hash::Hash;
use crate::secret_file::SecretFile;

/// Slow passwords that are compared at one time: their computing must not take the machine from the calls on it.
const COMPARED_AT_ONCE: usize = 1;

/// Requests that wait for that; one more is sent away.
const MAX_WAITING: usize = 64;

/// Good logins that are remembered, so that not each request of a client costs a slow comparison.
const MAX_KNOWN: usize = 1024;

/// The users of an htpasswd section.
pub(super) struct Users {
    file: Option<SecretFile>,
    inline: String,
    table: Mutex<Table>,
    known: Mutex<Known>,
    slots: Semaphore,
    waiting: AtomicUsize,
}

/// The users, and the file content that they were read from.
#[derive(Default)]
struct Table {
    content: Option<Arc<str>>,
    users: Option<Arc<HashMap<String, Hash>>>,
}

/// Logins that were found good, as digests that no other process can make.
#[derive(Default)]
struct Known {
    key: RandomState,
    logins: HashMap<[u8; 32], Hash>,
}

impl Users {
    pub(super) fn new(config: &Htpasswd) -> Self {
        Self {
            file: (!config.file.is_empty()).then(|| SecretFile::new(&config.file)),
            inline: config.inline.expose().to_owned(),
            table: Mutex::default(),
            known: Mutex::default(),
            slots: Semaphore::new(COMPARED_AT_ONCE),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Reads the file for the first time.
    pub(super) fn load(&self) -> Result<(), String> {
        if let Some(file) = &self.file {
            file.load()?;
        }
        self.table();
        Ok(())
    }

    /// Whether the password is the user's.
    pub(super) async fn check(&self, user: &str, password: &str) -> Result<(), Status> {
        let wrong = || unauthenticated("invalid credentials");
        let hash = self.table().get(user).cloned().ok_or_else(wrong)?;
        if !hash.is_slow() {
            return hash.matches(password).then_some(()).ok_or_else(wrong);
        }
        let login = self.known().digest(user, password);
        // The hash is looked at, too: a password that was changed since is not good any more.
        if self.known().logins.get(&login) == Some(&hash) {
            return Ok(());
        }
        let (compared, password) = (hash.clone(), password.to_owned());
        let _turn = self.turn().await?;
        let matches = tokio::task::spawn_blocking(move || compared.matches(&password)).await;
        if !matches.map_err(|_| Status::internal("the password could not be compared"))? {
            return Err(wrong());
        }
        self.known().remember(login, hash);
        Ok(())
    }

    async fn turn(&self) -> Result<impl Drop + '_, Status> {
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= MAX_WAITING {
            return Err(Status::unavailable("too many logins wait to be looked at"));
        }
        self.slots.acquire().await.map_err(|_| Status::unavailable("logins are not looked at any more"))
    }

    /// The users as the file has them now.
    fn table(&self) -> Arc<HashMap<String, Hash>> {
        let content = self.file.as_ref().and_then(SecretFile::content);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(users) = table.users.as_ref().filter(|_| table.content == content) {
            return Arc::clone(users);
        }
        let place = if self.file.is_some() { "file" } else { "inline" };
        let mut users = parse(content.as_deref().unwrap_or_default(), place);
        users.extend(parse(&self.inline, "inline"));
        let users = Arc::new(users);
        *table = Table { content, users: Some(Arc::clone(&users)) };
        users
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn digest(&self, user: &str, password: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.key.hash_one(0).to_le_bytes());
        digest.update(self.key.hash_one(1).to_le_bytes());
        digest.update((user.len() as u64).to_le_bytes());
        digest.update(user);
        digest.update(password);
        digest.finalize().into()
    }

    fn remember(&mut self, login: [u8; 32], hash: Hash) {
        if self.logins.len() >= MAX_KNOWN {
            self.logins.clear();
        }
        self.logins.insert(login, hash);
    }
}

/// Lines that are no user are left out, with a warning that does not show them.
fn parse(content: &str, place: &str) -> HashMap<String, Hash> {
    let mut users = HashMap::new();
    for (number, line) in content.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        match line.split_once(':').and_then(|(user, hash)| Some((user.to_owned(), Hash::parse(hash)?))) {
            Some((user, hash)) => _ = users.insert(user, hash),
            None => tracing::warn!(
                place,
                line = number + 1,
                "not a line of htpasswd: expected name:password with a password in a form that is known"
            ),
        }
    }
    users
}
