//! The wrappings in which Amazon's events travel, taken off before decoding:
//!
//! | Wrapping | Event |
//! |---|---|
//! | a list | each element |
//! | EventBridge: `detail-type`, `source`, `detail{}` | `detail` |
//! | SNS notification: `Type: "Notification"`, `Message: "{…}"` | the JSON text in `Message` |
//! | SNS to Lambda: `Records[].Sns` | each one's `Message` |
//! | CloudWatch Logs subscription: `logEvents[].message` | each JSON text in `message` |
//! | SNS subscription confirmations, CloudWatch control messages | ignored |

use serde_json::Value;

use super::elements::{Fold, Outcome};
use super::refusal::{IgnoreReason, Refusal, RefusalReason};
use super::{Decoded, json};
use crate::model::Millis;

/// Deepest nesting of wrappings: EventBridge to SNS to Lambda is three.
const WRAPPINGS_MAX: usize = 5;

/// An event out of its wrappings.
pub(super) struct Unwrapped<'v> {
    /// The event itself.
    pub(super) event: &'v Value,
    /// The wrapping's time, for events that bear none.
    pub(super) time: Option<Millis>,
    /// EventBridge's `detail-type`.
    pub(super) detail_type: Option<&'v str>,
}

/// Takes off all wrappings, decodes each event, and folds the outcomes.
pub(super) fn decode_wrapped(text: &str, decode: &dyn Fn(&Unwrapped<'_>) -> Outcome) -> Result<Decoded, Refusal> {
    let record = json::parse(text)?;
    let mut walk = Walk {
        decode,
        fold: Fold::default(),
    };
    walk.walk(&record, None, None, WRAPPINGS_MAX)?;
    walk.fold.finish()
}

struct Walk<'d> {
    decode: &'d dyn Fn(&Unwrapped<'_>) -> Outcome,
    fold: Fold,
}

impl Walk<'_> {
    fn walk(
        &mut self,
        value: &Value,
        time: Option<Millis>,
        detail_type: Option<&str>,
        wrappings_left: usize,
    ) -> Result<(), Refusal> {
        if wrappings_left == 0 {
            return Err(Refusal::new(
                RefusalReason::TooDeep,
                format!("the event lies in more than {WRAPPINGS_MAX} wrappings"),
            ));
        }
        let inner = wrappings_left - 1;
        match value {
            Value::Array(elements) => self.each(elements, |walk, element| walk.walk(element, time, None, inner)),
            Value::Object(object) => {
                if let Some(detail) = object.get("detail").filter(|_| object.contains_key("detail-type")) {
                    let time = json::time(value, "time", "time").ok().flatten();
                    return self.walk(detail, time, object["detail-type"].as_str(), inner);
                }
                if let Some(Value::Array(events)) = object.get("logEvents") {
                    if object.get("messageType").and_then(Value::as_str) == Some("CONTROL_MESSAGE") {
                        self.ignore(IgnoreReason::Control);
                        return Ok(());
                    }
                    return self.each(events, |walk, event| {
                        let time = json::time(event, "timestamp", "timestamp").ok().flatten();
                        walk.walk_text(event, "message", time, inner)
                    });
                }
                if let Some(Value::Array(records)) = object.get("Records") {
                    return self.each(records, |walk, record| {
                        walk.notification(record.get("Sns").unwrap_or(record), inner)
                    });
                }
                if object.contains_key("TopicArn") && object.contains_key("Type") {
                    return self.notification(value, inner);
                }
                self.event(value, time, detail_type)
            }
            other => Err(Refusal::new(
                RefusalReason::NotAnObject,
                format!("an event is a JSON object, not {}", json::kind(other)),
            )),
        }
    }

    fn each(
        &mut self,
        elements: &[Value],
        mut step: impl FnMut(&mut Self, &Value) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.fold.count(elements.len())?;
        for (index, element) in elements.iter().enumerate() {
            step(self, element).map_err(|refusal| refusal.in_element(index + 1))?;
        }
        Ok(())
    }

    fn notification(&mut self, notification: &Value, inner: usize) -> Result<(), Refusal> {
        match notification.get("Type").and_then(Value::as_str) {
            Some("SubscriptionConfirmation" | "UnsubscribeConfirmation") => {
                self.ignore(IgnoreReason::Control);
                Ok(())
            }
            Some("Notification") | None => {
                let time = json::time(notification, "Timestamp", "Timestamp").ok().flatten();
                self.walk_text(notification, "Message", time, inner)
            }
            Some(other) => Err(Refusal::unknown_type("Type", other)),
        }
    }

    /// Walks JSON that stands in a text, or as itself where a bridge has parsed it already.
    fn walk_text(&mut self, object: &Value, key: &str, time: Option<Millis>, inner: usize) -> Result<(), Refusal> {
        match object.get(key) {
            Some(Value::String(text)) => {
                let nested = json::parse_nested(text)?;
                self.walk(&nested, time, None, inner)
            }
            Some(nested @ (Value::Object(_) | Value::Array(_))) => self.walk(nested, time, None, inner),
            _ => Err(Refusal::missing(key)),
        }
    }

    fn event(&mut self, event: &Value, time: Option<Millis>, detail_type: Option<&str>) -> Result<(), Refusal> {
        let unwrapped = Unwrapped {
            event,
            time,
            detail_type,
        };
        self.fold.take((self.decode)(&unwrapped)?);
        Ok(())
    }

    fn ignore(&mut self, reason: IgnoreReason) {
        self.fold.take(Err(reason));
    }
}
