//! The fields of a canonical event that a column may hold.

/// How a cell becomes a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text; a whole number becomes its digits.
    Text,
    /// A number.
    Number,
    /// A time.
    Time,
}

/// A field.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name; a dot parts the object from its member.
    pub name: &'static str,
    pub kind: Kind,
    /// Names that a column may have beside the field's own.
    pub aliases: &'static [&'static str],
}

const fn field(name: &'static str, kind: Kind, aliases: &'static [&'static str]) -> Field {
    Field { name, kind, aliases }
}

/// All of them. Members of one object stand together.
pub(super) const FIELDS: [Field; 24] = [
    field("type", Kind::Text, &[]),
    field("id", Kind::Text, &[]),
    field("time", Kind::Time, &[]),
    field("ingest_time", Kind::Time, &[]),
    field("to", Kind::Text, &[]),
    field("to.prefix", Kind::Text, &["to_prefix"]),
    field("to.token", Kind::Text, &["to_token"]),
    field("tenant", Kind::Text, &[]),
    field("app", Kind::Text, &[]),
    field("session", Kind::Text, &[]),
    field("message_id", Kind::Text, &[]),
    field("sender", Kind::Text, &[]),
    field("channel", Kind::Text, &[]),
    field("segments", Kind::Number, &[]),
    field("price.amount", Kind::Number, &["price_amount", "price"]),
    field("price.currency", Kind::Text, &["price_currency", "currency"]),
    field("client.ip", Kind::Text, &["client_ip", "ip"]),
    field("client.asn", Kind::Number, &["client_asn", "asn"]),
    field("client.country", Kind::Text, &["client_country"]),
    field("client.device", Kind::Text, &["client_device", "device"]),
    field("client.user_agent", Kind::Text, &["client_user_agent", "user_agent"]),
    field("provider", Kind::Text, &[]),
    field("status", Kind::Text, &[]),
    field("outcome", Kind::Text, &[]),
];

/// When a row that tells of a send was verified: gives an event of its own.
pub(super) const VERIFIED_TIME: Field = field("verified_time", Kind::Time, &["verified_at"]);

/// Fields of a delivery alone.
pub(super) const DELIVERY_FIELDS: [Field; 3] = [
    field("error_code", Kind::Text, &[]),
    field("mcc", Kind::Text, &[]),
    field("mnc", Kind::Text, &[]),
];

/// Every field in the order in which it is written.
pub(super) fn all() -> impl Iterator<Item = &'static Field> {
    FIELDS.iter().chain(&DELIVERY_FIELDS).chain([&VERIFIED_TIME])
}

/// The field of that name.
pub(super) fn find(name: &str) -> Option<&'static Field> {
    all().find(|field| field.name == name)
}

/// The known name most like `asked`.
pub(super) fn nearest<'a>(asked: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = asked.to_ascii_lowercase();
    known
        .into_iter()
        .min_by_key(|known| strsim::damerau_levenshtein(&folded, &known.to_ascii_lowercase()))
}
