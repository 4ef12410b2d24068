//! Certificates and keys: read, checked, made, and chosen by the name that a client asks for.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError as Invalid, Error as TlsError, RootCertStore};

use super::provider;

/// Years for which a certificate that we make is good.
const SELF_SIGNED_YEARS: i32 = 10;

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// Files in PEM.
    Files {
        /// The server's certificate, and behind it the intermediate ones.
        certificate: PathBuf,
        /// Its private key; may be the same file.
        key: PathBuf,
    },
    /// A certificate that signs itself. It is made where the file does not exist, and kept there with its key.
    SelfSigned {
        /// Certificate and key.
        file: PathBuf,
        /// The names and addresses that it is for.
        names: Vec<String>,
    },
}

impl CertificateSource {
    fn files(&self) -> (&Path, &Path) {
        match self {
            Self::Files { certificate, key } => (certificate, key),
            Self::SelfSigned { file, .. } => (file, file),
        }
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read the {what} {}: {source}", .path.display())]
    Unreadable {
        /// "certificate" or "key".
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No certificate in the file.
    #[error("{} holds no certificate in PEM (a block that begins with \"-----BEGIN CERTIFICATE-----\")", .path.display())]
    NoCertificate {
        /// Which file.
        path: PathBuf,
    },
    /// No key in the file.
    #[error("{} holds no private key in PEM (a block that begins with \"-----BEGIN PRIVATE KEY-----\")", .path.display())]
    NoKey {
        /// Which file.
        path: PathBuf,
    },
    /// The key is locked.
    #[error("the key in {} is encrypted with a passphrase; store it without one (openssl pkey -in … -out …), readable by its user alone", .path.display())]
    EncryptedKey {
        /// Which file.
        path: PathBuf,
    },
    /// The two do not belong together.
    #[error("the key {} does not belong to the certificate {}: give the key that the certificate was made for", .key.display(), .certificate.display())]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The TLS library does not take it.
    #[error("the certificate {} cannot be used: {reason}", .path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate of one's own cannot be made or kept.
    #[error("cannot keep a self-signed certificate in {}: {reason}", .path.display())]
    CannotMake {
        /// Where it was to be.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Nothing was given.
    #[error("no certificate is given: TLS needs one (--tls-cert and --tls-key, or --tls-self-signed)")]
    NoneGiven,
}

/// The certificates that a server shows.
#[derive(Debug)]
pub struct Certificates {
    /// The first is the default.
    choices: Vec<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Reads and checks all of them, and makes those that are to be made. One that is expired, or not valid yet, is
    /// used, and that is said in the log.
    ///
    /// # Errors
    /// When one cannot be read, is incomplete, or does not fit its key.
    pub fn load(sources: &[CertificateSource]) -> Result<Self, CertificateError> {
        if sources.is_empty() {
            return Err(CertificateError::NoneGiven);
        }
        let choices = sources.iter().map(load_one).collect::<Result<_, _>>()?;
        Ok(Self { choices })
    }

    fn default(&self) -> Option<Arc<CertifiedKey>> {
        self.choices.first().cloned()
    }
}

impl ResolvesServerCert for Certificates {
    /// The first one that is for the name which the client asks for; the default one where it asks for none, or for
    /// one that we do not know: data connections often name an address, or another name of the same machine.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if self.choices.len() < 2 {
            return self.default();
        }
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let chosen = name.and_then(|name| {
            let fits = |choice: &&Arc<CertifiedKey>| {
                let parsed = choice.end_entity_cert().and_then(ParsedCertificate::try_from);
                parsed.is_ok_and(|certificate| verify_server_name(&certificate, &name).is_ok())
            };
            self.choices.iter().find(fits).cloned()
        });
        chosen.or_else(|| self.default())
    }
}

fn load_one(source: &CertificateSource) -> Result<Arc<CertifiedKey>, CertificateError> {
    if let CertificateSource::SelfSigned { file, names } = source
        && !file.exists()
    {
        make_self_signed(file, names)?;
    }
    let (certificate, key) = source.files();
    let certified = certified(certificate, key)?;
    warn_of_dates(certificate, &certified.cert);
    Ok(Arc::new(certified))
}

/// A certificate and its key, which must belong together.
pub(super) fn certified(certificate: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let chain = read_chain(certificate)?;
    let private_key = read_key(key)?;
    CertifiedKey::from_der(chain, private_key, &provider()).map_err(|error| match error {
        TlsError::InconsistentKeys(_) => {
            CertificateError::KeyMismatch { certificate: certificate.to_owned(), key: key.to_owned() }
        }
        other => CertificateError::Unusable { path: certificate.to_owned(), reason: other.to_string() },
    })
}

/// All certificates of a file in PEM.
pub(super) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let bytes = read("certificate", path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(CertificateError::NoCertificate { path: path.to_owned() }),
        Err(error) => Err(CertificateError::Unusable { path: path.to_owned(), reason: error.to_string() }),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let bytes = read("key", path)?;
    if let Ok(key) = PrivateKeyDer::from_pem_slice(&bytes) {
        return Ok(key);
    }
    let text = String::from_utf8_lossy(&bytes);
    let path = path.to_owned();
    if text.contains("ENCRYPTED") {
        Err(CertificateError::EncryptedKey { path })
    } else {
        Err(CertificateError::NoKey { path })
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|source| CertificateError::Unreadable { what, path: path.to_owned(), source })
}

/// An expired certificate still encrypts, and clients that check it say so themselves; but whoever runs the server
/// should hear it first.
fn warn_of_dates(path: &Path, chain: &[CertificateDer<'static>]) {
    let problem = match validity(chain) {
        Some(Invalid::Expired | Invalid::ExpiredContext { .. }) => "has expired",
        Some(Invalid::NotValidYet | Invalid::NotValidYetContext { .. }) => "is not valid yet",
        _ => return,
    };
    tracing::warn!(
        certificate = %path.display(),
        "the certificate {problem}: clients that check it will refuse to connect; renew it, then send SIGHUP"
    );
}

/// What a verifier would say who trusts this very certificate: its dates are looked at before anything else.
fn validity(chain: &[CertificateDer<'static>]) -> Option<Invalid> {
    let (server, intermediates) = chain.split_first()?;
    let mut roots = RootCertStore::empty();
    roots.add(server.clone()).ok()?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok()?;
    let name = ServerName::try_from("localhost").ok()?;
    match verifier.verify_server_cert(server, intermediates, &name, &[], UnixTime::now()) {
        Err(TlsError::InvalidCertificate(reason)) => Some(reason),
        _ => None,
    }
}

/// Makes a certificate and its key and keeps both in `file`, which only its owner may read.
fn make_self_signed(file: &Path, names: &[String]) -> Result<(), CertificateError> {
    let fails = |reason: String| CertificateError::CannotMake { path: file.to_owned(), reason };
    let key = rcgen::KeyPair::generate().map_err(|error| fails(error.to_string()))?;
    let mut parameters =
        rcgen::CertificateParams::new(names.to_vec()).map_err(|error| fails(error.to_string()))?;
    let name = names.first().map_or("wharf", String::as_str);
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    let year = present_year();
    parameters.not_before = rcgen::date_time_ymd(year, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(year + SELF_SIGNED_YEARS, 12, 31);
    let certificate = parameters.self_signed(&key).map_err(|error| fails(error.to_string()))?;
    let content = format!("{}{}", certificate.pem(), key.serialize_pem());
    write_privately(file, content.as_bytes()).map_err(|error| fails(error.to_string()))?;
    tracing::info!(file = %file.display(), ?names, "a self-signed certificate was made");
    Ok(())
}

/// Under its name there is only ever the whole file, and nobody else can read it at any time.
fn write_privately(file: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(format!(".{:08x}", rand::random::<u32>()));
    let unfinished = PathBuf::from(unfinished);
    let mut output = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    output
        .write_all(content)
        .and_then(|()| output.sync_all())
        .and_then(|()| fs::rename(&unfinished, file))
        .inspect_err(|_| {
            let _ = fs::remove_file(&unfinished); // what is left behind harms nobody
        })
}

fn present_year() -> i32 {
    const SECONDS: u64 = 31_556_952; // of a mean Gregorian year
    let years = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() / SECONDS);
    1970 + i32::try_from(years).unwrap_or(0)
}
