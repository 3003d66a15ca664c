//! TLS of the listener: it has HTTP's pair, and takes a new one up with it.

use crash::until;
use kafka_protocol::messages::ApiVersionsRequest;
use openssl::x509::X509;

use crate::support::kafka_clients::setup;
use crate::support::kafka_wire::Wire;
use crate::support::pem::{self_signed, write_pair};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_taken_up_and_a_connection_keeps_the_one_of_its_begin() {
    let (setup, former, new) = (setup(&["diku"], 2), self_signed(), self_signed());
    let [certificate, key] = write_pair(setup.path(), &former);
    let setup = setup.with("HTTP_TLS_CERT", certificate).with("HTTP_TLS_KEY", key);
    let serve = setup.serve();
    let pem = |certificate: X509| certificate.to_pem().unwrap();
    let (mut begun, shown) = Wire::connect_tls(serve.broker());
    assert_eq!(pem(shown), former.0);

    write_pair(setup.path(), &new);
    let shown = || pem(Wire::connect_tls(serve.broker()).1);
    until("the new certificate is shown", async || shown() == new.0).await;
    let answer = begun.ask(0, &ApiVersionsRequest::default()).unwrap();
    assert_eq!(answer.error_code, 0);
    assert!(serve.terminate().success(), "{}", setup.log());
}
