//! The source formats that an input may name.
//!
//! This is the one place where the configuration decides whether a format is
//! known; it mirrors the registration in `decode`.

/// Formats that this version decodes.
pub const FORMATS: [&str; 5] = [
    DEFAULT_FORMAT,
    "twilio_event_streams",
    "aws_sms",
    "aws_sns_delivery",
    "cognito_custom_sms_sender",
];

/// The format of an input that names none.
pub const DEFAULT_FORMAT: &str = "canonical";

/// Formats of the contract that this version does not decode yet: named, so
/// that the message does not call a right name a typing error.
const FORMATS_LATER: [&str; 10] = [
    "twilio_status_callback",
    "aws_pinpoint",
    "vonage_sms",
    "vonage_messages",
    "vonage_verify",
    "infobip",
    "sinch_sms",
    "sinch_verification",
    "smpp_receipt",
    "mapping",
];

/// Checks a format's name.
///
/// # Errors
/// A sentence without its subject, to go on after "`inputs[0].format`: ".
pub fn check_format(name: &str) -> Result<(), String> {
    if FORMATS.contains(&name) {
        return Ok(());
    }
    let known = FORMATS.join(", ");
    if FORMATS_LATER.contains(&name) {
        return Err(format!(
            "this version does not decode `{name}` yet (known here: {known})"
        ));
    }
    let hint = super::error::did_you_mean(name, FORMATS);
    Err(format!("`{name}` is not a format{hint} (known here: {known})"))
}
