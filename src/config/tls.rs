//! `[http.tls]`, `[metrics.tls]`: with which certificate does a listener speak TLS?

use super::reader::Section;
use crate::admin::Certificate;
use crate::admin::settings::Tls;

/// The files of this listener, if it has any.
pub(super) fn read(listener: &mut Section<'_>) -> Option<Tls> {
    let wanted = listener.has("tls");
    listener.within("tls", |tls| if wanted { files(tls) } else { None })
}

fn files(tls: &mut Section<'_>) -> Option<Tls> {
    let certificate = tls.required("certificate_file", "name a PEM file: the certificate first, then its issuers");
    let key = tls.required("private_key_file", "name a PEM file with the certificate's private key");
    let files = Tls { certificate_file: certificate?, private_key_file: key? };
    if let Err((setting, what)) = Certificate::read(files.clone()) {
        tls.wrong(setting, what);
    }
    Some(files)
}
