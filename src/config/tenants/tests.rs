//! Tests of tenants' files: which are legal, and how an illegal one is reported.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::read;
use crate::domain::compression::Compression;
use crate::domain::quota::QuotaSettings;
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Naming;

fn settings(files: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let environment: Vec<_> =
        environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let naming = Naming::new(Some("folio"), None).unwrap();
    read(folder.path(), naming, &environment).map_err(|e| format!("{e:#}"))
}

fn diku() -> TenantId {
    TenantId::parse("diku").unwrap()
}

#[test]
fn known_entities_are_the_sum_of_both_files() {
    let default = "[entities.\"inventory.item\"]\npartitions = 5\nretention_ms = 7\n";
    let own = "[entities.\"inventory.item\"]\npartitions = 9\n[entities.\"users.user\"]\n";
    let settings = settings(&[("_default.toml", default), ("diku.toml", own)], &[]).unwrap();
    let specs = settings.specs(&diku());
    let found: Vec<_> =
        specs.iter().map(|s| (s.topic.as_str(), s.partitions, s.retention_ms)).collect();
    assert_eq!(
        found,
        [("folio.diku.inventory.item", 9, 7), ("folio.diku.users.user", 1, 604_800_000)]
    );
    assert_eq!(settings.specs(&TenantId::parse("other").unwrap())[0].partitions, 5);
}

#[test]
fn a_topic_s_compression_is_that_of_its_file_or_not_set() {
    let default = "[entities.\"inventory.item\"]\ncompression = \"lz4\"\n";
    let own = "[entities.\"inventory.item\"]\ncompression = \"none\"\n\
               [process_events.\"inventory.DONE\"]\ncompression = \"zstd\"\n\
               [entities.\"users.user\"]\n";
    let settings = settings(&[("_default.toml", default), ("diku.toml", own)], &[]).unwrap();
    let found = |tenant: &str| {
        let specs = settings.specs(&TenantId::parse(tenant).unwrap()).into_iter();
        specs.map(|spec| spec.compression).collect::<Vec<_>>()
    };
    assert_eq!(found("diku"), [Some(Compression::Zstd), Some(Compression::None), None]);
    assert_eq!(found("other"), [Some(Compression::Lz4)]);
}

#[test]
fn a_quota_is_the_sum_of_both_files() {
    let default = "[quota]\nevents_per_second = 5\nbytes_per_second = 7\n";
    let own = "[quota]\nevents_per_second = 0\nburst_seconds = 3\n";
    let settings = settings(&[("_default.toml", default), ("diku.toml", own)], &[]).unwrap();
    let quota = |tenant: &str| settings.of(&TenantId::parse(tenant).unwrap()).quota;
    let (events_per_second, bytes_per_second) = (Some(0), Some(7));
    let wanted = QuotaSettings { events_per_second, bytes_per_second, burst_seconds: Some(3) };
    assert_eq!(quota("diku"), wanted);
    let (events_per_second, burst_seconds) = (Some(5), None);
    let wanted = QuotaSettings { events_per_second, bytes_per_second, burst_seconds };
    assert_eq!(quota("other"), wanted);
}

#[test]
fn the_environment_tells_partitions_where_no_file_does() {
    let file =
        "[entities.\"inventory.holdings-record\"]\n[entities.\"inventory.item\"]\npartitions = 2\n";
    let environment = [
        ("KAFKA_HOLDINGS_RECORD_TOPIC_NUM_PARTITIONS", "4"),
        ("KAFKA_ITEM_TOPIC_NUM_PARTITIONS", "4"),
    ];
    let specs = settings(&[("_default.toml", file)], &environment).unwrap().specs(&diku());
    assert_eq!(specs.iter().map(|s| s.partitions).collect::<Vec<_>>(), [4, 2]);
}

#[test]
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn what_is_illegal_names_its_file_and_key() {
    let cases = [
        ("diku.toml", "x = 1", "unknown field `x`"),
        ("diku.toml", "[entities.\"inventory.item\"]\nkeys = \"/id\"", "unknown field `keys`"),
        ("Diku.toml", "", "tenant `Diku`"),
        ("diku.toml", "[entities.item]", "`item` must be producer.name"),
        ("diku.toml", "[entities.\"inventory.a_b\"]", "entity `a_b`"),
        ("diku.toml", "[entities.\"a_b.item\"]", "producer `a_b`"),
        (
            "diku.toml",
            "[entities.\"a.b\"]\npartitions = 0",
            "partitions must be from 1 to 1000, not 0",
        ),
        (
            "diku.toml",
            "[entities.\"a.b\"]\nretention_ms = 0",
            "retention_ms must be -1 (for ever), or at least 1, not 0",
        ),
        (
            "diku.toml",
            "[entities.\"a.b\"]\npartitions = 1001",
            "partitions must be from 1 to 1000, not 1001",
        ),
        (
            "diku.toml",
            "[entities.\"a.b\"]\npartitions = 70000",
            "partitions must be from 1 to 1000, not 70000",
        ),
        ("diku.toml", "[entities.\"a.b\"]\npartitions = \"2\"", "expected a whole number"),
        ("diku.TOML", "", "`diku.TOML`: a file of settings must end in .toml"),
        ("di\nku.toml", "", r"`di\nku.toml`: its name has a control character"),
        ("diku.toml", "[entities.\"a.b\"]\nkey = \"id\"", "key pointer `id`"),
        ("diku.toml", "[entities.\"a.b\"]\ntopic = \"x.y\"", "must contain {tenant}"),
        (
            "diku.toml",
            "[entities.\"a.b\"]\ncompacted = true\nstored = false",
            "must be exclusive. Please review the following values: a.b. Each of these entities has \
             both `stored = false` and `compacted = true`.",
        ),
        ("diku.toml", "[entities.\"a.b\"]\nwire_form = \"xml\"", "wire_form = \"xml\""),
        (
            "diku.toml",
            "[entities.\"a.b\"]\ncompression = \"gzip\"",
            "compression = \"gzip\" is not known; it must be \"none\" or \"lz4\" or \"zstd\"",
        ),
        ("diku.toml", "[process_events.\"a.CREATE\"]", "process event `CREATE`"),
        ("diku.toml", "[hexkit]\nservice_name = \"a b\"", "service_name `a b`"),
        ("diku.toml", "[hexkit]", "missing field `service_name`"),
        ("diku.toml", "[process_events.\"a.X\"]\nwire_form = \"y\"", "wire_form = \"y\""),
        ("diku.toml", "not toml", "diku.toml"),
        ("diku.toml", "[producers]\nmod-x = { name = \"a_b\" }", "producers.\"mod-x\""),
        ("diku.toml", "[process_events.\"a.b.c\"]", "process_events.\"a.b.c\""),
        ("diku.toml", "[quota]\nevents = 1", "unknown field `events`"),
        (
            "diku.toml",
            "[quota]\nevents_per_second = -1",
            "quota: events_per_second must be from 0 to 1000000000000, not -1",
        ),
        (
            "diku.toml",
            "[quota]\nburst_seconds = 0",
            "quota: burst_seconds must be from 1 to 3600, not 0",
        ),
        ("diku.toml", "[quota]\nbytes_per_second = \"1M\"", "expected a whole number"),
    ];
    for (name, text, expected) in cases {
        let error = settings(&[(name, text)], &[]).unwrap_err();
        assert!(error.contains(expected), "{error} doesn't say {expected}");
        assert!(!error.contains("_default.toml"), "{error}");
    }
}

#[test]
fn the_file_that_is_at_fault_is_named_and_both_if_neither_is_by_itself() {
    let default = |text: &'static str| ("_default.toml", text);
    let of_default = default("[entities.\"a.b\"]\npartitions = 0");
    let error = settings(&[of_default, ("diku.toml", "")], &[]).unwrap_err();
    assert!(error.contains(": _default.toml: entities.\"a.b\": partitions"), "{error}");
    assert!(!error.contains("diku.toml"), "{error}");
    let legal = default("[entities.\"a.b\"]\ncompacted = true");
    let own = ("diku.toml", "[entities.\"a.b\"]\nretention_ms = 0");
    let error = settings(&[legal, own], &[]).unwrap_err();
    assert!(error.contains(": diku.toml: entities.\"a.b\": retention_ms"), "{error}");
    let together = ("diku.toml", "[entities.\"a.b\"]\nstored = false");
    let error = settings(&[legal, together], &[]).unwrap_err();
    assert!(error.contains(": diku.toml and _default.toml: Values for"), "{error}");
}

#[test]
fn a_variable_of_partitions_is_named_when_it_is_wrong() {
    let default = ("_default.toml", "[entities.\"inventory.item\"]\n");
    for value in ["abc", "0", "-1", "1001", "1.5", "4 "] {
        let error =
            settings(&[default], &[("KAFKA_ITEM_TOPIC_NUM_PARTITIONS", value)]).unwrap_err();
        assert!(
            error.starts_with(&format!("KAFKA_ITEM_TOPIC_NUM_PARTITIONS is `{value}`")),
            "{error}"
        );
    }
    let error = settings(&[default], &[("KAFKA_ITEMS_TOPIC_NUM_PARTITIONS", "4")]).unwrap_err();
    assert!(
        error.ends_with("no file names the entity of KAFKA_ITEMS_TOPIC_NUM_PARTITIONS"),
        "{error}"
    );
    settings(&[default], &[("KAFKA_ITEM_TOPIC_NUM_PARTITIONS", "4")]).unwrap();
}

#[test]
fn a_byte_order_mark_is_read_over() {
    let text = "\u{feff}[entities.\"inventory.item\"]\npartitions = 5\n";
    assert_eq!(settings(&[("_default.toml", text)], &[]).unwrap().specs(&diku())[0].partitions, 5);
}

/// Returns the error of a folder to which `make` adds something.
fn refused(make: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    format!("{:#}", read(folder.path(), Naming::default(), &[]).unwrap_err())
}

#[test]
fn what_is_no_regular_file_of_a_bearable_size_is_refused_by_name_and_not_waited_for() {
    let pipe = refused(|folder| {
        let status = Command::new("mkfifo").arg(folder.join("diku.toml")).status().unwrap();
        assert!(status.success());
    });
    let endless = refused(|folder| symlink("/dev/zero", folder.join("diku.toml")).unwrap());
    let folder = refused(|folder| std::fs::create_dir(folder.join("diku.toml")).unwrap());
    let huge =
        refused(|folder| File::create(folder.join("diku.toml")).unwrap().set_len(1 << 40).unwrap());
    let round = refused(|folder| symlink("diku.toml", folder.join("diku.toml")).unwrap());
    let bytes = refused(|folder| std::fs::write(folder.join("diku.toml"), b"\xff\xfe[").unwrap());
    let name = refused(|folder| {
        std::fs::write(folder.join(OsStr::from_bytes(b"di\xffku.toml")), "").unwrap();
    });
    assert!(name.contains("its name is not UTF-8"), "{name}");
    for (said, why) in [
        (pipe, "a regular file"),
        (endless, "a regular file"),
        (folder, "a regular file"),
        (huge, "more than 1048576 bytes"),
        (round, "symbolic links"),
        (bytes, "not UTF-8"),
    ] {
        assert!(said.contains("`diku.toml`") && said.contains(why), "{said} doesn't say {why}");
    }
    assert!(
        read(Path::new("no\nwhere"), Naming::default(), &[])
            .unwrap_err()
            .to_string()
            .contains(r"/no\nwhere` (TENANTS_DIR)")
    );
}

#[test]
fn a_link_to_a_file_is_read_as_kubernetes_makes_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("..data")).unwrap();
    std::fs::write(folder.path().join("..data/diku.toml"), "[entities.\"a.b\"]\n").unwrap();
    symlink("..data/diku.toml", folder.path().join("diku.toml")).unwrap();
    let settings = read(folder.path(), Naming::default(), &[]).unwrap();
    assert_eq!(settings.specs(&diku()).len(), 1);
}

#[test]
fn a_topic_of_the_gateway_s_own_is_refused() {
    let cases = [
        ("diku", "{env}.event-gateway.{tenant}", "a.b", "folio.event-gateway.diku"),
        ("cursors", "{env}.event-gateway.{tenant}", "a.b", "folio.event-gateway.cursors"),
        ("event-gateway_cursors", "{env}.{tenant}", "a.b", "folio.event-gateway_cursors"),
        ("other", "{tenant}.event-gateway.{entity}", "a.cursors", "other.event-gateway.cursors"),
    ];
    for (tenant, template, entity, topic) in cases {
        let file = format!("[entities.\"{entity}\"]\ntopic = \"{template}\"\n");
        let error = settings(&[(&format!("{tenant}.toml"), &file)], &[]).unwrap_err();
        assert!(
            error.contains(&format!("topic `{topic}`")) && error.contains("the gateway"),
            "{error}"
        );
    }
    let legal = "[entities.\"a.b\"]\n[entities.\"a.c\"]\ntopic = \
                 \"{env}.{tenant}.event-gateway.{entity}\"\n";
    assert!(settings(&[("diku.toml", legal)], &[]).is_ok());
    let error = settings(&[("event-gateway.toml", legal)], &[]).unwrap_err();
    assert!(
        error.contains("and not be event-gateway"),
        "its prefix is that of the cursors: {error}"
    );
}

#[test]
fn two_tenants_share_no_topic_unless_a_collection_has_them_all() {
    let one = ("a.toml", "[entities.\"x.item\"]\ntopic = \"{env}.{tenant}.b.{entity}\"\n");
    let other = ("b.toml", "[entities.\"x.item\"]\ntopic = \"{env}.a.{tenant}.{entity}\"\n");
    let error = settings(&[one, other], &[]).unwrap_err();
    assert!(error.contains("topic `folio.a.b.item`") && error.contains("two tenants"), "{error}");
    assert!(error.contains(": a.toml, b.toml: "), "{error}");

    let folder = tempfile::tempdir().unwrap();
    for name in ["a.toml", "b.toml"] {
        std::fs::write(folder.path().join(name), "[entities.\"x.item\"]\n").unwrap();
    }
    assert!(read(folder.path(), Naming::new(None, Some("ALL")).unwrap(), &[]).is_ok());
}

#[test]
fn topics_that_are_the_same_to_kafka_are_refused_and_both_are_named() {
    let one = ("a.toml", "[entities.\"x.item\"]\ntopic = \"{env}.{tenant}.b_c\"\n");
    let other = ("a_b.toml", "[entities.\"x.item\"]\ntopic = \"{env}.{tenant}.c\"\n");
    let error = settings(&[one, other], &[]).unwrap_err();
    let told = "the topics `folio.a.b_c` of tenant `a` and `folio.a_b.c` of tenant `a_b` collide";
    assert!(error.contains(told) && error.contains(": a.toml, a_b.toml: "), "{error}");
    let own = "[entities.\"x.a\"]\ntopic = \"{tenant}.b_c\"\n\
               [entities.\"x.b\"]\ntopic = \"{tenant}.b.c\"\n";
    let error = settings(&[("a.toml", own)], &[]).unwrap_err();
    assert!(error.contains("`a.b.c` of tenant `a` and `a.b_c` of tenant `a`"), "{error}");
}

#[test]
fn tenants_of_a_collection_must_agree_on_their_topics() {
    let read_all = |other: &str| {
        let folder = tempfile::tempdir().unwrap();
        let item = "[entities.\"x.item\"]\npartitions = 2\n";
        for (name, text) in [("_default.toml", item), ("a.toml", ""), ("b.toml", other)] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let naming = Naming::new(None, Some("ALL")).unwrap();
        read(folder.path(), naming, &[]).map(drop).map_err(|error| format!("{error:#}"))
    };
    // How long each log keeps its events is the tenant's own matter.
    read_all("[entities.\"x.item\"]\nlog_retention_ms = 5\n").unwrap();
    let error = read_all("[entities.\"x.item\"]\npartitions = 3\n").unwrap_err();
    assert!(error.contains("topic `ALL.x.item` is shared by the tenants"), "{error}");
    let told = "which differ in partitions (2 and 3) of `x.item`: let them be the same";
    assert!(error.ends_with(told), "{error}");
}

#[test]
fn entities_that_share_a_topic_must_agree_on_it() {
    let shared = "topic = \"{env}.{tenant}.mod-audit\"";
    let agree = format!("[entities.\"a.x\"]\n{shared}\n[entities.\"b.y\"]\n{shared}\n");
    assert_eq!(settings(&[("diku.toml", &agree)], &[]).unwrap().specs(&diku()).len(), 1);
    let differ = format!("{agree}partitions = 2\nstored = false\n");
    let told = "topic `folio.diku.mod-audit` is shared by `a.x` and `b.y`, which differ in \
                partitions (1 and 2), stored (true and false)";
    let error = settings(&[("diku.toml", &differ)], &[]).unwrap_err();
    assert!(error.ends_with(&format!(": diku.toml: {told}")), "{error}");
    let error = settings(&[("_default.toml", &differ), ("diku.toml", "")], &[]).unwrap_err();
    let told = told.replace("diku", "default");
    assert!(error.ends_with(&format!(": _default.toml: {told}")), "{error}");
    let (default, own) = (format!("[entities.\"a.x\"]\n{shared}\n"), "[entities.\"b.y\"]\n");
    let own = format!("{own}{shared}\nretention_ms = -1\n");
    let error = settings(&[("_default.toml", &default), ("diku.toml", &own)], &[]).unwrap_err();
    assert!(error.contains(": diku.toml and _default.toml: topic"), "{error}");
    assert!(error.ends_with("differ in retention_ms (604800000 and -1)"), "{error}");
}

#[test]
fn the_project_s_own_files_are_legal() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tenants");
    let settings = read(&folder, Naming::default(), &[]).unwrap();
    assert!(settings.entity(&diku(), "mod-inventory-storage", "instance").is_ok());
    assert!(settings.entity(&diku(), "mod-circulation-storage", "loan").is_ok());
}
