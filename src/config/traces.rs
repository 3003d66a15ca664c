//! The variables of OpenTelemetry that decide whether traces are sent, and to which collector.
//!
//! Their names and meanings are OpenTelemetry's, whose SDK reads them too: here they are only
//! checked, since the SDK would go on with a default. They have no flags.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Identity, Url};

use crate::domain::percent;
use crate::tls;
use crate::traces::Config;

const DISABLED: &str = "OTEL_SDK_DISABLED";
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const PROTOCOL: &str = "http/protobuf";
const COMPRESSIONS: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
const COMPRESSION: [&str; 2] = ["none", "gzip"];
/// The variables that have headers for the collector.
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
/// The variables that name a file of authorities.
const CERTIFICATES: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
/// The variables that name a file with the gateway's own certificate, and one with its key.
const CLIENT_CERTIFICATES: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"];
const CLIENT_KEYS: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"];
const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
/// The milliseconds that OpenTelemetry gives a batch where none are set.
const TIMEOUT_MS: u64 = 10_000;
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
/// The samplers that the SDK has, and whether each takes a ratio.
const SAMPLERS: [(&str, bool); 6] = [
    ("always_on", false),
    ("always_off", false),
    ("traceidratio", true),
    ("parentbased_always_on", false),
    ("parentbased_always_off", false),
    ("parentbased_traceidratio", true),
];
/// The variables that are whole numbers, in milliseconds or spans.
const NUMBERS: [&str; 5] = [
    TIMEOUTS[0],
    TIMEOUTS[1],
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
];
/// The collector that OpenTelemetry names where none is set.
const COLLECTOR: &str = "http://localhost:4318";

/// Returns where traces are sent; `None` if they are not, which is so unless a collector or an
/// exporter is named.
pub(super) fn traces(
    variables: &[(String, String)],
    replica: Option<&str>,
) -> anyhow::Result<Option<Config>> {
    let value = |name: &str| {
        let found = variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    };
    // The signal's own variable comes before the general one.
    let first = |names: [&'static str; 2]| {
        names.into_iter().find_map(|name| value(name).map(|value| (name, value)))
    };
    if value(DISABLED).is_some_and(|it| it.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let endpoint = match (value(EXPORTER), first(ENDPOINTS)) {
        (Some("none"), _) | (None, None) => return Ok(None),
        (Some("otlp"), None) => (EXPORTER, COLLECTOR),
        (Some("otlp") | None, Some(endpoint)) => endpoint,
        (Some(other), _) => bail!("{EXPORTER} is `{other}`: it must be `otlp` or `none`"),
    };
    if let Some((name, protocol)) = first(PROTOCOLS) {
        ensure!(
            protocol == PROTOCOL,
            "{name} is `{protocol}`: it must be `{PROTOCOL}`, which collectors take on port 4318; \
             `{EXPORTER}=none` sends no traces"
        );
    }
    if let Some((name, compression)) = first(COMPRESSIONS) {
        ensure!(
            COMPRESSION.contains(&compression),
            "{name} is `{compression}`: it must be `none` or `gzip`"
        );
    }
    for name in NUMBERS {
        if let Some(number) = value(name) {
            ensure!(
                number.parse::<u64>().is_ok_and(|it| it > 0),
                "{name} is `{number}`: it must be a whole number above 0"
            );
        }
    }
    check_sampler(value(SAMPLER), value(SAMPLER_ARG))?;
    let timeout = first(TIMEOUTS).and_then(|(_, number)| number.parse().ok()).unwrap_or(TIMEOUT_MS);
    let authorities = first(CERTIFICATES).map_or(Ok(Vec::new()), |(name, file)| {
        authorities(file).with_context(|| format!("{name} is `{file}`"))
    });
    let headers = first(HEADERS).map_or(Ok(HeaderMap::new()), |(name, text)| {
        headers(text).with_context(|| format!("{name} has a secret, and is not shown"))
    });
    Ok(Some(Config {
        collector: collector(endpoint.1).context(endpoint.0)?,
        timeout: Duration::from_millis(timeout),
        headers: headers?,
        authorities: authorities?,
        identity: identity(first(CLIENT_CERTIFICATES), first(CLIENT_KEYS))?,
        replica: replica.map(str::to_owned),
    }))
}

/// Returns the headers of a variable. An error has nothing of them, since they may have a token.
fn headers(text: &str) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (number, item) in (1..).zip(text.split_terminator(',')) {
        let (name, value) = header(item).with_context(|| {
            format!(
                "item {number} must be a header's name, `=` and its value; a comma stands between \
                 two, and `%` begins an escape, as in `authorization=Bearer%20…`"
            )
        })?;
        headers.insert(name, value);
    }
    Ok(headers)
}

fn header(item: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = item.split_once('=')?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
    let value = percent::decode(value.trim());
    let value = value.filter(|value| !value.is_empty() && value.is_ascii())?;
    let mut value = HeaderValue::from_str(&value).ok()?;
    // So it is not shown where the configuration is.
    value.set_sensitive(true);
    Some((name, value))
}

/// Returns the certificates of a file.
fn authorities(file: &str) -> anyhow::Result<Vec<Certificate>> {
    let rule = "it must have certificates in PEM form";
    let found = Certificate::from_pem_bundle(&std::fs::read(file)?).context(rule)?;
    ensure!(!found.is_empty(), rule);
    Ok(found)
}

/// Returns what the collector is shown, by the variables that name the two files.
fn identity(
    certificate: Option<(&str, &str)>,
    key: Option<(&str, &str)>,
) -> anyhow::Result<Option<Identity>> {
    let [of_certificate, of_key] = [CLIENT_CERTIFICATES[1], CLIENT_KEYS[1]];
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some((name, _)), None) => bail!("{name} is set, but not {of_key}, its key"),
        (None, Some((name, _))) => {
            bail!("{name} is set, but not {of_certificate}, its certificate")
        }
        (Some((of_certificate, certificate)), Some((of_key, key))) => {
            let pair = tls::client_pair(Path::new(certificate), Path::new(key))
                .with_context(|| format!("{of_certificate}, {of_key}"))?;
            Ok(Some(Identity::from_pkcs8_pem(&pair[0], &pair[1])?))
        }
    }
}

fn check_sampler(sampler: Option<&str>, ratio: Option<&str>) -> anyhow::Result<()> {
    let Some(sampler) = sampler else { return Ok(()) };
    let Some((_, takes_ratio)) = SAMPLERS.into_iter().find(|(known, _)| *known == sampler) else {
        let known = SAMPLERS.map(|(name, _)| name).join(", ");
        bail!("{SAMPLER} is `{sampler}`: it must be one of {known}");
    };
    let is_ratio = |text: &str| text.parse::<f64>().is_ok_and(|it| (0.0..=1.0).contains(&it));
    if takes_ratio && !ratio.is_some_and(is_ratio) {
        bail!(
            "{SAMPLER_ARG} is `{}`: `{sampler}` needs a number from 0 to 1",
            ratio.unwrap_or_default()
        );
    }
    Ok(())
}

/// Returns the collector's URL, without credentials.
fn collector(text: &str) -> anyhow::Result<String> {
    let mut url = Url::parse(text).with_context(|| "must be the URL of a collector")?;
    ensure!(
        ["http", "https"].contains(&url.scheme()) && url.has_host(),
        "must begin with http:// or https://"
    );
    // An http URL with a host takes both.
    let _ = (url.set_username(""), url.set_password(None));
    url.set_query(None);
    Ok(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::{
        CERTIFICATES, CLIENT_CERTIFICATES, CLIENT_KEYS, COMPRESSIONS, DISABLED, ENDPOINTS,
        EXPORTER, HEADERS, HeaderName, HeaderValue, NUMBERS, PROTOCOLS, SAMPLER, SAMPLER_ARG,
        TIMEOUTS, traces,
    };

    fn read(set: &[(&str, &str)]) -> Result<Option<String>, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: Vec<_> = set.iter().map(owned).collect();
        let read = traces(&variables, None).map_err(|error| format!("{error:#}"))?;
        Ok(read.map(|config| config.collector))
    }

    #[test]
    fn traces_are_sent_only_where_a_collector_or_an_exporter_is_named() {
        let own =
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://me:secret@traces:1/v1/traces?k=s");
        let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        let off = ("OTEL_TRACES_EXPORTER", "none");
        for (set, wanted) in [
            (vec![], None),
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", " ")], None),
            (vec![("OTEL_SERVICE_NAME", "gateway")], None),
            (vec![general], Some("http://collector:4318/")),
            (vec![general, own], Some("https://traces:1/v1/traces")),
            (
                vec![general, ("OTEL_EXPORTER_OTLP_COMPRESSION", "none")],
                Some("http://collector:4318/"),
            ),
            (
                vec![general, ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip")],
                Some("http://collector:4318/"),
            ),
            (vec![("OTEL_TRACES_EXPORTER", "otlp")], Some("http://localhost:4318/")),
            (vec![general, off], None),
            (vec![general, ("OTEL_SDK_DISABLED", "True")], None),
            // Whoever sends no traces is not told what would be wrong with them.
            (vec![off, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], None),
        ] {
            assert_eq!(read(&set), Ok(wanted.map(str::to_owned)), "{set:?}");
        }
    }

    #[test]
    fn each_variable_has_a_row_in_the_documentation() {
        let documented = include_str!("../../docs/traces.md");
        let pairs = [ENDPOINTS, PROTOCOLS, COMPRESSIONS, CERTIFICATES, CLIENT_CERTIFICATES];
        let pairs = pairs.into_iter().chain([CLIENT_KEYS, HEADERS, TIMEOUTS]).flatten();
        let single = [DISABLED, EXPORTER, SAMPLER, SAMPLER_ARG].into_iter().chain(NUMBERS);
        for name in pairs.chain(single) {
            assert!(documented.contains(&format!("\n| `{name}` |")), "{name}");
        }
    }

    #[test]
    fn a_variable_that_can_t_be_meant_is_named() {
        let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        for (name, value, told) in [
            ("OTEL_TRACES_EXPORTER", "zipkin", "must be `otlp` or `none`"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "port 4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "must be `http/protobuf`"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "must be `none` or `gzip`"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318", "must begin with http"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector", "must be the URL"),
            ("OTEL_TRACES_SAMPLER", "sometimes", "must be one of always_on"),
            ("OTEL_TRACES_SAMPLER", "traceidratio", "OTEL_TRACES_SAMPLER_ARG"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "above 0"),
        ] {
            let error = read(&[general, (name, value)]).unwrap_err();
            assert!(error.contains(name) && error.contains(told), "{name}={value}: {error}");
        }
        let ratio = [general, ("OTEL_TRACES_SAMPLER", "traceidratio")];
        assert!(read(&[&ratio[..], &[("OTEL_TRACES_SAMPLER_ARG", "1.5")]].concat()).is_err());
        assert!(read(&[&ratio[..], &[("OTEL_TRACES_SAMPLER_ARG", "0.25")]].concat()).is_ok());
    }

    #[test]
    fn headers_are_pairs_of_a_name_and_an_escaped_value_and_no_error_shows_one() {
        const GENERAL: &str = "OTEL_EXPORTER_OTLP_HEADERS";
        const OWN: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
        let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        let config = |set: &[(&str, &str)]| {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let variables: Vec<_> = set.iter().chain([&general]).map(owned).collect();
            traces(&variables, None).map(Option::unwrap)
        };
        let found = |set: &[(&str, &str)]| {
            let headers = config(set).unwrap().headers;
            let text = |(name, value): (&HeaderName, &HeaderValue)| {
                format!("{name}: {}", value.to_str().unwrap())
            };
            let mut lines: Vec<_> = headers.iter().map(text).collect();
            lines.sort();
            lines.join(", ")
        };
        for (text, wanted) in [
            ("authorization=Bearer%20abc", "authorization: Bearer abc"),
            ("Authorization = Bearer abc== ,x=a%2Cb,", "authorization: Bearer abc==, x: a,b"),
            ("a=1,a=2", "a: 2"),
            (" ", ""),
        ] {
            assert_eq!(found(&[(GENERAL, text)]), wanted, "{text}");
        }
        assert_eq!(found(&[(GENERAL, "a=1"), (OWN, "b=2")]), "b: 2");
        assert_eq!(found(&[(GENERAL, "a=1"), (OWN, "")]), "a: 1");
        for (name, text, item) in [
            (GENERAL, "Bearer s3cret", 1),
            (OWN, "Bearer s3cret==", 1),
            (GENERAL, "a=1,,b=s3cret", 2),
            (GENERAL, "a=1,=s3cret", 2),
            (GENERAL, "s3cret=", 1),
            (GENERAL, "a=s3cret%2", 1),
            (GENERAL, "a=s3cret%0A", 1),
            (GENERAL, "a=s3cret,b=%C3%BC", 2),
        ] {
            let error = format!("{:#}", config(&[(name, text)]).unwrap_err());
            assert!(error.starts_with(&format!("{name} ")), "{text}: {error}");
            assert!(error.contains(&format!("item {item} must be")), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        let config = config(&[(GENERAL, "authorization=s3cret")]).unwrap();
        assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
    }

    #[test]
    fn a_file_that_has_no_certificate_in_pem_form_is_named_with_its_variable() {
        let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318");
        let folder = tempfile::tempdir().unwrap();
        for (name, text, told) in [
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", None, "No such file"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", Some("none"), "in PEM form"),
            (
                "OTEL_EXPORTER_OTLP_CERTIFICATE",
                Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                "in PEM form",
            ),
        ] {
            let file = folder.path().join("ca.pem");
            if let Some(text) = text {
                std::fs::write(&file, text).unwrap();
            }
            let file = file.display().to_string();
            let error = read(&[general, (name, file.as_str())]).unwrap_err();
            let is_told = [name, file.as_str(), told].iter().all(|part| error.contains(*part));
            assert!(is_told, "{error}");
        }
    }

    #[test]
    fn what_the_collector_is_shown_is_named_with_its_variables_if_it_is_no_pair() {
        const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
        const KEY: &str = "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY";
        let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("none.pem");
        std::fs::write(&file, "none").unwrap();
        let file = file.display().to_string();
        let (certificate, key) = ((CERTIFICATE, file.as_str()), (KEY, file.as_str()));
        for (set, told) in [
            (vec![certificate], &[CERTIFICATE, "is set, but not", "CLIENT_KEY, its key"][..]),
            (vec![key], &[KEY, "is set, but not", "CLIENT_CERTIFICATE, its certificate"]),
            (vec![certificate, key], &[CERTIFICATE, KEY, file.as_str(), "in PEM form"]),
            (vec![certificate, (KEY, "/nowhere")], &[CERTIFICATE, KEY, "/nowhere", "No such file"]),
        ] {
            let error = read(&[&[general][..], &set].concat()).unwrap_err();
            assert!(told.iter().all(|part| error.contains(part)), "{told:?}: {error}");
        }
        assert_eq!(read(&[("OTEL_TRACES_EXPORTER", "none"), certificate]), Ok(None));
    }
}
