//! `AWS_CA_BUNDLE`: whom to trust on the way to Amazon, where a proxy puts its own certificates in place of Amazon's.

use es_records::Fault;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::PathBuf;

const NAME: &str = "AWS_CA_BUNDLE";

/// The file that `AWS_CA_BUNDLE` names, with what is in it (PEM), if the variable is set.
///
/// # Errors
/// Exit 3 where it cannot be read, 2 where it holds no certificates.
pub fn ca_bundle() -> Result<Option<(PathBuf, Vec<u8>)>, Fault> {
    let Some(file) = std::env::var_os(NAME).filter(|value| !value.is_empty()).map(PathBuf::from) else {
        return Ok(None);
    };
    let pem = std::fs::read(&file).map_err(|e| Fault::failed(format!("{NAME}: {}: {e}", file.display())))?;
    let wrong = |why: String| Fault::usage(format!("{NAME}: {}: {why}", file.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("no certificate in it (PEM is expected)".into()));
    }
    Ok(Some((file, pem)))
}
