//! Examples of each subcommand, and the members of the objects that it prints with `--output json`.
//!
//! `--help`, the man pages and docs/cli.md show them.

/// Each subcommand: an example or two, and the members of its JSON.
type Example = (&'static str, [&'static str; 2], &'static str);

const REPLAY: &str = "`tenant`, `id`, `status`, `messagesPublished`, `skipped`, `total` (null \
                      until it is counted), `submittedDate`, `target` (null for the events' own \
                      topics), `cause` (of a failure)";
const ERASURE: &str = "`tenant`, `id`, `status`, `producer`, `name` (of the entity, or of the \
                       process event), `key`, `reason`, `submittedDate`, `completedDate`, \
                       `events`, `position`";
const PARKED: &str = "`tenant`, and the scope as the HTTP API shows it: `id`, `sink`, `topic`, \
                      `key` (null for the whole topic), `position`, `state`, `events`, `cause`, \
                      `time`, `ended`, `requested`, `reason`";
const GROUP: &str = "`tenant`, and the subscription as the HTTP API shows it: `group`, `topics`, \
                     `keys`, `types`, `headers`, `autoCommit`, `leaseSeconds`, `holdSeconds`, \
                     `handler` (null where readers come), `failure` (its policy), \
                     `deduplicate` (null unless events are claimed), `halt` (null unless it has \
                     halted), `position`, `gapsTo`, `generation`, `reader`, `readerUntil`, \
                     `wentBackFrom`";
const DEAD_LETTER: &str = "`tenant`, `group`, and the dead letter as the HTTP API shows it: \
                           `position`, `topic`, `key`, `scope`, `reason` (null for one that \
                           waits for an earlier one), `attempts`, `since`, `redriven`";

const EXAMPLES: [Example; 56] = [
    ("serve", ["event-gateway serve", "event-gateway serve --http-port 0 --broker none"], ""),
    (
        "check",
        ["event-gateway check", "event-gateway check --connect --output json"],
        "`source`, `error`; no line if nothing is wrong",
    ),
    (
        "post",
        [
            "event-gateway post inventory item item.json --tenant diku",
            "event-gateway post inventory item --tenant diku --output json < items.ndjson",
        ],
        "a receipt for each change: `eventId`, `topic`, `key`, `type`, `position`, `time`, \
         `published`",
    ),
    (
        "tail",
        [
            "event-gateway tail --tenant diku --follow",
            "event-gateway tail --tenant diku --entity item --from latest -f --output json",
        ],
        "each event as `GET /domain-events` shows it: `position`, `eventId`, `topic`, `key`, `type`, \
         `time`, `headers`, `payload`, `published`",
    ),
    (
        "tenants list",
        ["event-gateway tenants list", "event-gateway tenants list --output json"],
        "`tenant`, `logId`, `lane`, `head`, `published` (both null where there is none), `parked` \
         (keys and topics), `state` (`enabled`, `disabled` or `being purged`)",
    ),
    ("tenants enable", ["event-gateway tenants enable diku", ""], "`tenant`, `state`"),
    ("tenants disable", ["event-gateway tenants disable diku", ""], "`tenant`, `state`"),
    (
        "tenants purge",
        [
            "event-gateway tenants purge diku --reason asked",
            "event-gateway tenants purge diku --force --detach",
        ],
        "`tenant`, `id` (of the job), `state` (`being purged`, then `purged`), `message`; the \
         first line also has `sharedTopics` (the topics that keep the tenant's records)",
    ),
    (
        "topics list",
        ["event-gateway topics list", "event-gateway topics list --output json"],
        "`topic`, `partitions`, `retentionMs`, `compacted`, `partitionsInKafka` (null if the topic \
         is missing, or Kafka could not be asked), `isKnown` (whether it could)",
    ),
    (
        "topics diff",
        ["event-gateway topics diff", "event-gateway topics diff --tenant diku --output json"],
        "`topic`, `tenants`, `missing`, `differences` (of `setting`, `wanted`, `found`, `remedy`)",
    ),
    (
        "topics apply",
        ["event-gateway topics apply", "event-gateway topics apply --tenant diku --shorten"],
        "`topic`, `done` (`created`, `changed` or `left`); what was changed or is left also has \
         `setting`, `value`; what was changed `before`; what is left `wanted`",
    ),
    (
        "topics grow",
        ["event-gateway topics grow folio.diku.inventory.item --wait 60", ""],
        "`topic`, `partitions`, `before`; then for each tenant `topic`, `tenant`, `upTo`",
    ),
    (
        "topics obsolete",
        ["event-gateway topics obsolete", "event-gateway topics obsolete --delete --tenant diku"],
        "`topic`, `tenants`, `deleted`, `kept`, `tenantsDir` (the files that it went by)",
    ),
    (
        "topics acl",
        [
            "event-gateway topics acl --manage",
            "event-gateway topics acl --tenant diku --group cg.search --output json",
        ],
        "`principal`, `resource`, `pattern`, `name`, `operations`",
    ),
    (
        "subscriptions list",
        ["event-gateway subscriptions list --tenant diku", ""],
        "`tenant`, `group`, `position`, `lag` (of events and seconds), `state` (`active` or \
         `halted`), `deadLetters`, `reader`",
    ),
    ("subscriptions show", ["event-gateway subscriptions show cg.search --tenant diku", ""], GROUP),
    (
        "subscriptions put",
        ["event-gateway subscriptions put cg.search --tenant diku --topic '**.inventory.*'", ""],
        GROUP,
    ),
    (
        "subscriptions seek",
        ["event-gateway subscriptions seek cg.search --tenant diku --to earliest", ""],
        GROUP,
    ),
    (
        "subscriptions pause",
        ["event-gateway subscriptions pause cg.search --tenant diku --reason reindexing", ""],
        GROUP,
    ),
    (
        "subscriptions resume",
        ["event-gateway subscriptions resume cg.search --tenant diku", ""],
        GROUP,
    ),
    (
        "subscriptions skip",
        ["event-gateway subscriptions skip cg.search --tenant diku --position 41", ""],
        GROUP,
    ),
    (
        "subscriptions export",
        [
            "event-gateway subscriptions export cg.search --tenant diku --dry-run",
            "event-gateway subscriptions export",
        ],
        "`tenant`, `group`, `topic`, `partition`, `position`, `before`, `offset`, `again`",
    ),
    (
        "subscriptions delete",
        ["event-gateway subscriptions delete cg.search --tenant diku", ""],
        "`tenant`, `group`",
    ),
    (
        "subscriptions hash-password",
        [
            "event-gateway subscriptions hash-password --generate > credentials/diku.kcat.toml",
            "event-gateway subscriptions hash-password --output json < password.txt",
        ],
        "`passwordHash`; with `--generate` also `password`",
    ),
    (
        "dead-letters list",
        [
            "event-gateway dead-letters list cg.search --tenant diku",
            "event-gateway dead-letters list cg.search --tenant diku --output json",
        ],
        DEAD_LETTER,
    ),
    (
        "dead-letters show",
        ["event-gateway dead-letters show cg.search --tenant diku --position 41 -o json", ""],
        "the dead letter as `dead-letters list` shows it, with `event` (null if the log has removed \
         it)",
    ),
    (
        "dead-letters redrive",
        [
            "event-gateway dead-letters redrive cg.search --tenant diku --key 5bf370e0",
            "event-gateway dead-letters redrive cg.search --tenant diku --events-per-second 10",
        ],
        "`tenant`, `group`, `count`, `left`",
    ),
    (
        "dead-letters discard",
        ["event-gateway dead-letters discard cg.search --tenant diku --all --reason test", ""],
        "`tenant`, `group`, `count`, `left`",
    ),
    (
        "lanes list",
        ["event-gateway lanes list", "event-gateway lanes list --output json"],
        "`lane`, `term`, `tenants`, `replica`; the last line has `replicas`",
    ),
    ("lanes resize", ["event-gateway lanes resize 16", ""], "`lanes`, `before`, `moved`"),
    (
        "parked list",
        ["event-gateway parked list --open", "event-gateway parked list --tenant diku -o json"],
        PARKED,
    ),
    (
        "parked release",
        ["event-gateway parked release --tenant diku 5bf370e0-8cca-4d9c-82e4-5170ab2a0a39", ""],
        PARKED,
    ),
    (
        "parked discard",
        [
            "event-gateway parked discard --tenant diku 5bf370e0-8cca-4d9c-82e4-5170ab2a0a39 --reason \
             duplicate",
            "",
        ],
        PARKED,
    ),
    (
        "replays start",
        [
            "event-gateway replays start --tenant diku --topic 'folio.diku.inventory.*' --dry-run",
            "event-gateway replays start --tenant diku --key 5bf370e0 --detach --output json",
        ],
        "the replay as `replays list` shows it; for a dry run `tenant`, `topic` (null for all), \
         `events`, `bytes`, `vanishing`",
    ),
    ("replays list", ["event-gateway replays list", "event-gateway replays list -o json"], REPLAY),
    (
        "replays watch",
        ["event-gateway replays watch --tenant diku 5bf370e0-8cca-4d9c-82e4-5170ab2a0a39", ""],
        REPLAY,
    ),
    (
        "replays pause",
        ["event-gateway replays pause --tenant diku 5bf370e0-8cca-4d9c-82e4-5170ab2a0a39", ""],
        REPLAY,
    ),
    (
        "replays resume",
        ["event-gateway replays resume --tenant diku 5bf370e0-8cca-4d9c-82e4-5170ab2a0a39", ""],
        REPLAY,
    ),
    (
        "replays cancel",
        ["event-gateway replays cancel --tenant diku 5bf370e0-8cca-4d9c-82e4-5170ab2a0a39", ""],
        REPLAY,
    ),
    (
        "erasures start",
        [
            "event-gateway erasures start --tenant diku --producer users --entity user --key 7 \
             --reason asked",
            "",
        ],
        "the erasure as `erasures list` shows it; once it is complete, with `topics` and `warning`",
    ),
    ("erasures list", ["event-gateway erasures list --tenant diku", ""], ERASURE),
    (
        "erasures watch",
        ["event-gateway erasures watch --tenant diku 5bf370e0-8cca-4d9c-82e4-5170ab2a0a39", ""],
        "the erasure as `erasures list` shows it, with `topics` and `warning`",
    ),
    (
        "republish",
        ["event-gateway republish --tenant diku", "event-gateway republish --dry-run -o json"],
        "as `replays start`",
    ),
    (
        "publish-pending",
        ["event-gateway publish-pending --wait 60", "event-gateway publish-pending --release"],
        "`pending`, `parked`; before that, for each release, `tenant`, `id`, `released`, `error`",
    ),
    (
        "sinks list",
        ["event-gateway sinks list", "event-gateway sinks list --output json"],
        "`sink`, `logs`, `notPassed`",
    ),
    (
        "sinks begin",
        ["event-gateway sinks begin", "event-gateway sinks begin diku --accept"],
        "for each tenant and sink `tenant`, `sink`, `logId`, `head`, `missing` (of `topic`, `from`, \
         `to`); where the sink waits, also `cursor`, `isInLog`; then `accepted`",
    ),
    ("sinks forget", ["event-gateway sinks forget hexkit", ""], "`sink`, `logs`"),
    (
        "trail list",
        [
            "event-gateway trail list --tenant diku --act replay-start",
            "event-gateway trail list --from 2026-11-26T08:00:00Z --output json",
        ],
        "`place`, `time`, `tenant`, `act`, `who`, `issuer`, `object`, `reason`, `requestId`",
    ),
    (
        "audit",
        [
            "event-gateway audit --tenant diku --repair",
            "event-gateway audit --topic 'folio.diku.inventory.*' --output json",
        ],
        "`tenant`, `logId`, `from`, `to`, `defects`, `topics` (docs/audit.md)",
    ),
    (
        "restore",
        ["event-gateway restore", "event-gateway restore diku --accept"],
        "for each tenant and sink `tenant`, `sink`, `logId`, `head`, `differs`; where they differ, \
         also `cursor`, `lostFromParking`; and for Kafka `common`, `onlyInLog`, `again`, \
         `endedScopes`, `onlyInKafka`; for others `checkpoint`, `isInLog`; once it is accepted, a \
         line with `tenant`, `sink`, `accepted`; and for Kafka the new `logId`",
    ),
    ("descriptor", ["event-gateway descriptor > ModuleDescriptor.json", ""], ""),
    ("openapi", ["event-gateway openapi > openapi.json", ""], ""),
    ("backup", ["event-gateway backup copy.db", ""], "`file`, `bytes`"),
    (
        "restore-backup",
        ["event-gateway restore-backup copy.db", ""],
        "`database`, `file`, `former`",
    ),
    (
        "completions",
        [
            "event-gateway completions bash > /etc/bash_completion.d/event-gateway",
            "event-gateway completions zsh > ~/.zfunc/_event-gateway",
        ],
        "",
    ),
    (
        "man",
        ["event-gateway man | man -l -", "event-gateway man --dir /usr/local/share/man/man1"],
        "",
    ),
];

/// Returns the examples of a subcommand, and the members of its JSON.
pub fn examples(path: &str) -> Option<(Vec<&'static str>, &'static str)> {
    let (_, lines, json) = EXAMPLES.iter().find(|(of, ..)| *of == path)?;
    Some((lines.iter().copied().filter(|line| !line.is_empty()).collect(), json))
}

/// Returns the text of the examples for `-h`, and for `--help`, which also has the JSON.
pub fn texts(path: &str) -> Option<(String, String)> {
    let (lines, json) = examples(path)?;
    let lines: Vec<_> = lines.iter().map(|line| format!("  {line}")).collect();
    let short = format!("Examples:\n{}", lines.join("\n"));
    let long = match json {
        "" => short.clone(),
        json => format!("{short}\n\nJSON, one object a line:\n  {}", json.replace('`', "")),
    };
    Some((short, long))
}
