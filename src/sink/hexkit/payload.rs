//! Payloads as BSON, which hexkit reads as Python's values and writes as JSON again.
//!
//! `document` passes in the bytes of an event. Whatever Python could not write as the same JSON
//! value is refused, so that no document makes hexkit fail, or publish something else.

use ::mongodb::bson::raw::{CStr, RawArrayBuf};
use ::mongodb::bson::{RawBson, RawDocumentBuf};

use crate::domain::json::{Raw, Shape};

/// The reason why a value has no place in hexkit's collection.
type Refused = String;

/// Returns the object as a document.
pub(super) fn object(raw: &Raw) -> Result<RawDocumentBuf, Refused> {
    if raw.shape() != Shape::Object {
        return Err("hexkit takes only JSON objects as payloads".to_owned());
    }
    let mut document = RawDocumentBuf::new();
    for (name, value) in raw.members() {
        let Some(text) = name.as_utf8() else {
            return Err(format!("the name `{}` has a lone surrogate", name.text()));
        };
        if text == "$ref" && value.shape() == Shape::String {
            return Err(
                "MongoDB's clients take an object with the name `$ref` for a reference to \
                        a document"
                    .to_owned(),
            );
        }
        let key: &CStr = text.try_into().map_err(|_| "a name has a NUL character".to_owned())?;
        document.append(key, self::value(&value)?);
    }
    Ok(document)
}

fn value(raw: &Raw) -> Result<RawBson, Refused> {
    Ok(match raw.shape() {
        Shape::Object => RawBson::Document(object(raw)?),
        Shape::Array => {
            let mut array = RawArrayBuf::new();
            for element in raw.elements() {
                array.push(value(&element)?);
            }
            RawBson::Array(array)
        }
        Shape::String => {
            let text = raw.string().ok_or("a string has a lone surrogate")?;
            RawBson::String(text)
        }
        Shape::Null => RawBson::Null,
        Shape::Scalar => match raw.as_str() {
            "true" => RawBson::Boolean(true),
            "false" => RawBson::Boolean(false),
            number => self::number(number)?,
        },
    })
}

/// Returns a number as Python reads it: whole, or a double.
fn number(text: &str) -> Result<RawBson, Refused> {
    if text.contains(['.', 'e', 'E']) {
        let number: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
        if number.is_infinite() {
            return Err(format!("the number {text} is beyond a double"));
        }
        return Ok(RawBson::Double(number));
    }
    let number: i64 = text.parse().map_err(|_| format!("the number {text} is beyond 64 bits"))?;
    Ok(i32::try_from(number).map_or(RawBson::Int64(number), RawBson::Int32))
}

#[cfg(test)]
mod tests {
    use ::mongodb::bson::rawdoc;
    use bytes::Bytes;

    use super::{Raw, object};

    fn raw(text: &'static str) -> Raw {
        Raw::parse(&Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[test]
    fn values_keep_their_order_and_their_kinds() {
        let payload = object(&raw(
            r#"{"b":[1,-0,2147483648,1.5,1e2],"a":{"é":"\u00e9"},"n":null,"t":true,"$x.y":""}"#,
        ));
        let expected = rawdoc! {
            "b": [1_i32, 0_i32, 2_147_483_648_i64, 1.5, 100.0],
            "a": { "é": "é" },
            "n": null,
            "t": true,
            "$x.y": "",
        };
        assert_eq!(payload.unwrap(), expected);
    }

    #[test]
    fn what_hexkit_could_not_publish_as_it_is_is_refused() {
        for (text, why) in [
            ("[]", "only JSON objects"),
            ("null", "only JSON objects"),
            (r#"{"a":1e400}"#, "1e400"),
            (r#"{"a":[9223372036854775808]}"#, "9223372036854775808"),
            (r#"{"a":"\ud800"}"#, "lone surrogate"),
            (r#"{"\ud800":1}"#, "lone surrogate"),
            (r#"{"a\u0000":1}"#, "NUL"),
            (r#"{"a":{"$ref":"x"}}"#, "$ref"),
        ] {
            let error = object(&raw(text)).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
