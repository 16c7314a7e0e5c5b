//! What can go wrong between this program and the broker, each with a sentence
//! that says what to change.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;

use crate::model::log::LogDecodeError;

/// Why streaming ended, or could not begin.
#[derive(Debug, Error)]
pub enum StreamError {
    /// No broker answered.
    #[error("no Kafka broker answers at `{brokers}` ({cause}); check `kafka.brokers` and that the broker is running")]
    BrokerUnavailable {
        /// `bootstrap.servers`.
        brokers: String,
        /// What the client says.
        cause: String,
    },
    /// The broker refuses us.
    #[error(
        "the broker refuses {what} ({cause}); check the credentials in `kafka.properties` and the ACLs of this principal"
    )]
    Unauthorized {
        /// What was tried.
        what: String,
        /// What the broker says.
        cause: String,
    },
    /// A topic is not there.
    #[error(
        "topic `{topic}` does not exist; create it with `pumpwatch topics create`, or correct its name in the configuration"
    )]
    TopicMissing {
        /// Its name.
        topic: String,
    },
    /// An input topic is not there.
    #[error(
        "input topic `{topic}` does not exist; create it where it is written, or with `pumpwatch topics create`, or correct `inputs`"
    )]
    InputMissing {
        /// Its name.
        topic: String,
    },
    /// librdkafka does not take a property.
    #[error("Kafka client property refused: {0}; correct `kafka.properties`")]
    Property(String),
    /// Router and detector do not fit the internal log.
    #[error("{0}")]
    LogMismatch(String),
    /// The internal log has lost records.
    #[error("{0}")]
    LogGap(String),
    /// An input no longer holds what was already read from it.
    #[error("{0}")]
    InputTruncated(String),
    /// A saved state cannot be gone on from.
    #[error("{0}")]
    State(String),
    /// A record of the internal log cannot be read.
    #[error("{topic}/{partition} at offset {offset}: {cause}")]
    LogRecord {
        /// The internal log.
        topic: String,
        /// Partition.
        partition: i32,
        /// Offset.
        offset: i64,
        /// Why.
        cause: LogDecodeError,
    },
    /// A record was not delivered, so exactness cannot be kept on this connection.
    #[error(
        "a record for `{topic}` could not be delivered ({cause}); the process ends and goes on from its last commit when started again"
    )]
    Delivery {
        /// Where it should have gone.
        topic: String,
        /// What the client says.
        cause: String,
    },
    /// The client gave up.
    #[error("the Kafka client cannot go on: {0}")]
    Client(String),
    /// What was asked for cannot be written.
    #[error("the output cannot be written: {0}; check the path and the space on its disk")]
    Output(#[source] std::io::Error),
    /// The end took too long.
    #[error("{what} did not finish within {seconds} s; what was not committed is done again at the next start")]
    DrainTimeout {
        /// Who.
        what: String,
        /// The deadline.
        seconds: u64,
    },
    /// A rule of the program was broken.
    #[error("internal error: {0}")]
    Internal(String),
}

impl StreamError {
    /// The exit code of the command line: 69 broker unavailable, 64 configuration,
    /// 65 input unusable, 70 internal.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BrokerUnavailable { .. } | Self::Delivery { .. } | Self::DrainTimeout { .. } => 69,
            Self::Unauthorized { .. }
            | Self::TopicMissing { .. }
            | Self::InputMissing { .. }
            | Self::Property(_)
            | Self::LogMismatch(_) => 64,
            Self::LogGap(_) | Self::InputTruncated(_) | Self::LogRecord { .. } | Self::State(_) => 65,
            Self::Client(_) | Self::Output(_) | Self::Internal(_) => 70,
        }
    }

    /// Sorts an error of the client. `what` names what was being done ("reading
    /// `sms.send.v1`").
    pub(crate) fn from_kafka(what: &str, brokers: &str, error: &KafkaError) -> Self {
        if let KafkaError::ClientConfig(_, why, key, _) = error {
            return Self::Property(format!("`{key}`: {why}"));
        }
        let cause = error.to_string();
        match error.rdkafka_error_code() {
            Some(code) if is_authorization(code) => Self::Unauthorized {
                what: what.into(),
                cause,
            },
            Some(code) if is_connection(code) => Self::BrokerUnavailable {
                brokers: brokers.into(),
                cause,
            },
            _ => Self::Client(format!("{what}: {cause}")),
        }
    }
}

/// The broker knows us and says no.
pub(crate) fn is_authorization(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as C;
    matches!(
        code,
        C::TopicAuthorizationFailed
            | C::GroupAuthorizationFailed
            | C::ClusterAuthorizationFailed
            | C::TransactionalIdAuthorizationFailed
            | C::SaslAuthenticationFailed
            | C::Authentication
    )
}

/// The network, or no broker: it may pass.
pub(crate) fn is_connection(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as C;
    matches!(
        code,
        C::BrokerTransportFailure
            | C::AllBrokersDown
            | C::Resolve
            | C::OperationTimedOut
            | C::RequestTimedOut
            | C::NetworkException
            | C::SSL
            | C::TimedOutQueue
    )
}

/// What passes by itself while running: the client retries, we only wait.
pub(crate) fn is_transient(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as C;
    is_connection(code)
        || matches!(
            code,
            C::NotLeaderForPartition
                | C::LeaderNotAvailable
                | C::CoordinatorLoadInProgress
                | C::CoordinatorNotAvailable
                | C::NotCoordinator
                | C::RebalanceInProgress
                | C::UnknownTopicOrPartition
                | C::UnknownTopic
                | C::UnknownPartition
                | C::OffsetNotAvailable
                | C::NotEnoughReplicas
                | C::NotEnoughReplicasAfterAppend
                | C::ReplicaNotAvailable
                | C::KafkaStorageError
                | C::InvalidMessage
                | C::UnknownMemberId
                | C::IllegalGeneration
                | C::FencedLeaderEpoch
                | C::UnknownLeaderEpoch
                | C::WaitingForCoordinator
                | C::MessageSizeTooLarge
                | C::PollExceeded
        )
}
