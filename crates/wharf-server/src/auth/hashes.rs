//! argon2id (RFC 9106): hashes of passwords.
//!
//! A hash takes some 20 MiB and some 20 ms on purpose. Many devices log in anew for each file, so the number of hashes
//! that are computed at once is bounded, and they are computed on threads that no session runs on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;
use wharf_proto::command::Password;

/// Why there is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// What stands in place of a hash is none.
    #[error("the password is not an argon2 hash; `wharf user passwd` makes one")]
    NotAHash,
    /// It cannot be computed.
    #[error("the password cannot be hashed")]
    Failed,
}

/// The argon2id hash of a password, in PHC form, with a salt of its own and the costs that OWASP names (19 MiB, two
/// passes).
///
/// # Errors
/// When the machine has no randomness.
pub fn hash_password(password: &Password) -> Result<String, HashError> {
    let hash = Argon2::default().hash_password(password.reveal()).map_err(|_| HashError::Failed)?;
    Ok(hash.to_string())
}

/// Whether `text` is a hash that this program can verify.
///
/// # Errors
/// When it is not.
pub fn check_hash(text: &str) -> Result<(), HashError> {
    let hash = PasswordHash::new(text).map_err(|_| HashError::NotAHash)?;
    let is_argon2 = hash.algorithm.as_str().starts_with("argon2") && hash.hash.is_some();
    // Its costs have to be ones that argon2 knows, too.
    let has_costs = argon2::Params::try_from(&hash).is_ok();
    if is_argon2 && has_costs { Ok(()) } else { Err(HashError::NotAHash) }
}

/// Computes hashes, so many at once as the machine has cores.
#[derive(Debug)]
pub(super) struct Hashes {
    at_once: Arc<Semaphore>,
    /// How many were computed.
    computed: AtomicU64,
}

impl Hashes {
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self { at_once: Arc::new(Semaphore::new(cores)), computed: AtomicU64::new(0) }
    }

    /// Whether `password` is the one of `hash`. Waits for its turn; no thread does.
    pub(super) async fn verify(&self, hash: Arc<str>, password: &Password) -> bool {
        // Never closed, so this is no error.
        let Ok(turn) = self.at_once.clone().acquire_owned().await else { return false };
        self.computed.fetch_add(1, Ordering::Relaxed);
        let password = password.clone();
        let verified = tokio::task::spawn_blocking(move || {
            // The turn ends with the work, also where nobody waits for it any more.
            let _turn = turn;
            PasswordHash::new(&hash)
                .is_ok_and(|hash| Argon2::default().verify_password(password.reveal(), &hash).is_ok())
        });
        verified.await.unwrap_or(false)
    }

    /// How many were computed so far.
    pub(super) fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_fits_its_password_alone() {
        let password = Password::new("correct horse").unwrap();
        let hash: Arc<str> = hash_password(&password).unwrap().into();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        check_hash(&hash).unwrap();
        let hashes = Hashes::new();
        assert!(hashes.verify(hash.clone(), &password).await);
        assert!(!hashes.verify(hash, &Password::new("correct house").unwrap()).await);
        assert_eq!(hashes.computed(), 2);
    }

    #[test]
    fn what_is_no_argon2_hash_is_told() {
        for wrong in ["", "secret", "$6$salt$hash", "$argon2id$v=19$m=1,t=0,p=0$c2FsdHNhbHQ$", "$argon2id$"] {
            assert_eq!(check_hash(wrong), Err(HashError::NotAHash), "{wrong}");
        }
    }
}
