//! One record a line: canonical events, or a provider's own records.

use std::io::BufRead;

use super::{Item, Source, SourceError, What};
use crate::decode::{
    Decoded, Format, RECORD_BYTES_MAX, RecordMeta, Refusal, RefusalReason, decode, decode_feedback, decode_line,
};
use crate::lab::lines::{BoundedLines, Line};
use crate::model::Millis;

/// Stands for the broker's time, which a provider's record in a file lacks.
const NO_TIME: Millis = Millis::MIN;

/// The lines of a file.
#[derive(Debug)]
pub struct Lines<R> {
    reader: BoundedLines<R>,
    decoder: Decoder,
    number: u64,
}

#[derive(Debug)]
struct Decoder {
    format: Format,
    tenant: Option<String>,
    app: Option<String>,
}

impl<R: BufRead> Lines<R> {
    /// Records of `format`; tenant and app as the configuration of an input has
    /// them.
    pub fn new(reader: R, format: Format, tenant: Option<String>, app: Option<String>) -> Self {
        Self {
            reader: BoundedLines::new(reader, RECORD_BYTES_MAX),
            decoder: Decoder { format, tenant, app },
            number: 0,
        }
    }
}

impl<R: BufRead> Source for Lines<R> {
    fn next_item(&mut self) -> Result<Option<Item>, SourceError> {
        let Some(line) = self.reader.next_line()? else {
            return Ok(None);
        };
        self.number += 1;
        let what = match line {
            Line::Whole(bytes) => self.decoder.line(bytes),
            Line::TooLong { len } => What::Refused(Refusal::too_large(len).into()),
        };
        Ok(Some(Item {
            place: self.number,
            what,
        }))
    }

    fn unit(&self) -> &'static str {
        "line"
    }

    fn advice(&self) -> String {
        if self.decoder.format == Format::CANONICAL {
            "no line of the input is a canonical event; see `pumpwatch schema event`, or name another format with \
             --format, or a table with --as"
                .into()
        } else {
            let name = self.decoder.format;
            format!(
                "no line of the input is an event in the format `{name}`; see what becomes of them with `pumpwatch decode --format {name}`"
            )
        }
    }
}

impl Decoder {
    fn line(&self, bytes: &[u8]) -> What {
        let meta = RecordMeta {
            record_time: NO_TIME,
            default_tenant: self.tenant.as_deref(),
            default_app: self.app.as_deref(),
        };
        let decoded = if self.format == Format::CANONICAL {
            decode_line(&meta, bytes).map(|line| (line.decoded, Some(line.ingest_time)))
        } else {
            decode(self.format, &meta, Some(bytes)).map(|decoded| (decoded, None))
        };
        match decoded {
            Ok((Decoded::Usable(events), at)) => {
                // A record arrives when the last of what it tells has happened.
                let last = events.iter().map(|event| event.time).max();
                match at.or(last) {
                    Some(at) if at > NO_TIME => What::Usable {
                        events,
                        at,
                        is_further: false,
                    },
                    _ => What::Refused(super::Refused {
                        class: RefusalReason::BadTime.class_name(),
                        detail: format!(
                            "records of the format `{}` bear no time of their own, and a file has none for them; \
                             give them as canonical events",
                            self.format
                        ),
                    }),
                }
            }
            Ok((Decoded::Ignored(_), _)) => What::Ignored,
            Err(refusal) if self.format == Format::CANONICAL && refusal.reason == RefusalReason::UnknownType => {
                match decode_feedback(&meta, Some(bytes)) {
                    Ok(feedback) => What::Feedback(feedback),
                    Err(_) => What::Refused(refusal.into()),
                }
            }
            Err(refusal) => What::Refused(refusal.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, format: &str) -> Vec<What> {
        let format = Format::parse(format).unwrap();
        let mut lines = Lines::new(text.as_bytes(), format, Some("acme".into()), None);
        let mut found = Vec::new();
        while let Some(item) = lines.next_item().unwrap() {
            found.push(item.what);
        }
        found
    }

    #[test]
    fn a_record_arrives_with_the_latest_of_its_events() {
        let line = r#"{"notification":{"messageId":"m","timestamp":"2026-06-28 00:40:34.558"},"delivery":{"destination":"+998901234567","priceInUSD":0.2,"dwellTimeMs":500},"status":"SUCCESS"}"#;
        let found = all(line, "aws_sns_delivery");
        let What::Usable { events, at, .. } = &found[0] else {
            panic!("{found:?}");
        };
        assert_eq!(events[0].tenant, "acme");
        assert_eq!(Some(*at), events.iter().map(|event| event.time).max());
    }

    #[test]
    fn records_without_a_time_of_their_own_are_refused() {
        let line = r#"{"version":"1","triggerSource":"CustomSMSSender_SignUp","userPoolId":"p","userName":"u","callerContext":{"clientId":"c"},"request":{"type":"customSMSSenderRequestV1","userAttributes":{"phone_number":"+447700900123"}}}"#;
        let found = all(line, "cognito_custom_sms_sender");
        let What::Refused(refused) = &found[0] else {
            panic!("{found:?}");
        };
        assert_eq!(refused.class, "bad_time");
        assert!(refused.detail.contains("bear no time of their own"));
    }

    #[test]
    fn feedback_lies_among_canonical_events_only() {
        let line = r#"{"type":"verdict","id":"v","time":"2026-06-28T00:40:34Z","finding_uid":"00000000000000000000000000000000","verdict":"false_positive","by":"ann"}"#;
        assert!(matches!(all(line, "canonical")[0], What::Feedback(_)));
        assert!(matches!(all(line, "aws_sms")[0], What::Refused(_)));
    }
}
