//! The start of a group: where a new one begins, or where one is moved to.
//!
//! `PUT /subscriptions/{group}` and a seek take it as JSON, the subcommands as options; `subscribe`
//! finds the position that it stands for.

use crate::domain::Invalid;
use crate::domain::json::{Raw, Shape};
use crate::domain::object_reader::ObjectReader;
use crate::domain::position::Position;
use crate::domain::time::Time;
use crate::domain::violation::Violation;

/// The position at which a new subscription begins, or to which a group is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// The first event that the log still has of the filter's topics; what was removed is accepted
    /// as missing.
    #[default]
    Earliest,
    /// The next event that is appended.
    Latest,
    /// The first event after a position.
    Position(Position, Gaps),
    /// The first event at or after a time.
    Time(Time, Gaps),
}

/// Whether a start is refused if events of the filter's topics were removed after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gaps {
    /// The start is refused, and the gap told.
    #[default]
    Refuse,
    /// The group gets what the log has; what was removed is accepted as missing.
    Skip,
}

impl Gaps {
    /// Parses the word `skip`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text == "skip" {
            Ok(Self::Skip)
        } else {
            Err(Invalid::new("gaps", text, "must be skip"))
        }
    }
}

impl Start {
    /// The members of a seek.
    pub const SEEK_MEMBERS: [&str; 1] = ["to"];
    /// The members of a start that is a place.
    pub const PLACE_MEMBERS: [&str; 3] = ["position", "time", "gaps"];
    /// The starts that are words.
    pub const WORDS: [&str; 2] = ["earliest", "latest"];

    /// Parses the text of an option: `earliest`, `latest`, a position, or a time.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let gaps = Gaps::default();
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            number if number.bytes().all(|b| b.is_ascii_digit()) => {
                Position::parse(number).map(|position| Self::Position(position, gaps))
            }
            time => Time::parse(time).map(|time| Self::Time(time, gaps)).map_err(|_| {
                let rule = "must be earliest, latest, a position, or a time such as \
                            2026-01-31T12:00:00Z";
                Invalid::new("start", text, rule)
            }),
        }
    }

    /// Returns the same start with this done about gaps; `Earliest` and `Latest` have none.
    pub fn with(self, gaps: Gaps) -> Self {
        match self {
            Self::Position(position, _) => Self::Position(position, gaps),
            Self::Time(time, _) => Self::Time(time, gaps),
            Self::Earliest | Self::Latest => self,
        }
    }

    /// Parses the body of a seek, `{"to": …}`.
    pub fn parse_seek(raw: &Raw) -> Result<Self, Vec<Violation>> {
        let mut object = ObjectReader::parse(raw, &Self::SEEK_MEMBERS, "")?;
        object.need("to", "missing-start", "must say where the group goes on");
        let to = Self::read(&mut object, "to");
        object.finish(to)
    }

    /// Reads a start: `"earliest"`, `"latest"`, `{"position": 41}` or `{"time": "…"}`; the objects
    /// may have `"gaps": "skip"` too.
    pub(super) fn read(object: &mut ObjectReader, name: &str) -> Option<Self> {
        let rule = "must be \"earliest\", \"latest\", {\"position\": n} or {\"time\": \"…\"}";
        let value = object.value(name)?;
        match (value.shape(), value.string().as_deref()) {
            (_, Some("earliest")) => return Some(Self::Earliest),
            (_, Some("latest")) => return Some(Self::Latest),
            (Shape::Object, _) => {}
            _ => {
                object.refuse(name, "illegal-start", rule);
                return None;
            }
        }
        let start = object.object(name, &Self::PLACE_MEMBERS, |place| {
            let gaps = place.noun("gaps", Gaps::parse).unwrap_or_default();
            let position = place.position("position", 0).map(|at| Self::Position(at, gaps));
            let time = place.noun("time", Time::parse).map(|time| Self::Time(time, gaps));
            if place.value("position").is_some() == place.value("time").is_some() {
                place.refuse_whole("illegal-start", rule);
            }
            position.or(time)
        });
        start.flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::{Gaps, Position, Raw, Start, Time};

    fn parse(text: &str) -> Result<Start, &'static str> {
        let raw = Raw::parse(&format!(r#"{{"to":{text}}}"#).into()).unwrap();
        Start::parse_seek(&raw).map_err(|violations| violations[0].code)
    }

    #[test]
    fn every_start_is_read_and_any_other_refused() {
        let (position, time) = (Position::from_column(41), Time::from_ms(7_000));
        for (text, start) in [
            (r#""earliest""#, Start::Earliest),
            (r#""latest""#, Start::Latest),
            (r#"{"position":41}"#, Start::Position(position, Gaps::Refuse)),
            (r#"{"position":41,"gaps":"skip"}"#, Start::Position(position, Gaps::Skip)),
            (r#"{"time":"1970-01-01T00:00:07Z"}"#, Start::Time(time, Gaps::Refuse)),
            (r#"{"time":"1970-01-01T00:00:07Z","gaps":"skip"}"#, Start::Time(time, Gaps::Skip)),
        ] {
            assert_eq!(parse(text), Ok(start), "{text}");
        }
        for (text, code) in [
            (r#""newest""#, "illegal-start"),
            ("7", "illegal-start"),
            ("{}", "illegal-start"),
            (r#"{"gaps":"skip"}"#, "illegal-start"),
            (r#"{"position":1,"time":"1970-01-01T00:00:07Z"}"#, "illegal-start"),
            (r#"{"position":"1"}"#, "illegal-number"),
            (r#"{"position":1,"gaps":"fill"}"#, "illegal-value"),
        ] {
            assert_eq!(parse(text), Err(code), "{text}");
        }
        assert_eq!(parse("null"), Err("missing-start"));
    }

    #[test]
    fn an_option_s_text_is_a_start_which_passes_over_gaps_if_it_is_said_so() {
        let position = |gaps| Start::Position(Position::from_column(41), gaps);
        let parsed = Start::parse("41").unwrap();
        assert_eq!(
            (parsed, parsed.with(Gaps::Skip)),
            (position(Gaps::Refuse), position(Gaps::Skip))
        );
        let time = |gaps| Start::Time(Time::from_ms(7_000), gaps);
        let parsed = Start::parse("1970-01-01T00:00:07Z").unwrap();
        assert_eq!((parsed, parsed.with(Gaps::Skip)), (time(Gaps::Refuse), time(Gaps::Skip)));
        for (text, start) in [("earliest", Start::Earliest), ("latest", Start::Latest)] {
            assert_eq!(Start::parse(text).map(|start| start.with(Gaps::Skip)), Ok(start));
        }
        assert!(Start::parse("newest").is_err() && Gaps::parse("fill").is_err());
    }
}
