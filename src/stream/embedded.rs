//! A broker inside the process, for the demonstration and for tests: librdkafka's
//! mock cluster. It keeps about 5 MiB a partition and administers nothing, so its
//! topics are made here.

use std::sync::mpsc::{Sender, channel};

use rdkafka::mocking::MockCluster;

use super::error::StreamError;
use super::settings::StreamSettings;

/// A running broker; it ends when dropped.
#[derive(Debug)]
pub struct EmbeddedBroker {
    bootstrap: String,
    _alive: Sender<()>,
}

impl EmbeddedBroker {
    /// Starts a broker with these topics and numbers of partitions.
    pub fn start(topics: &[(&str, u32)]) -> Result<Self, StreamError> {
        let topics: Vec<(String, u32)> = topics.iter().map(|&(name, count)| (name.to_string(), count)).collect();
        let (alive, ended) = channel::<()>();
        let (tell, told) = channel();
        let body = move || {
            let cluster = match start(&topics) {
                Ok(cluster) => cluster,
                Err(error) => {
                    let _ = tell.send(Err(error));
                    return;
                }
            };
            let _ = tell.send(Ok(cluster.bootstrap_servers()));
            // Returns when the handle is dropped; then the cluster goes.
            let _ = ended.recv();
        };
        std::thread::Builder::new()
            .name("embedded-broker".into())
            .spawn(body)
            .map_err(|error| StreamError::Internal(format!("a thread could not be started: {error}")))?;
        let bootstrap = told
            .recv()
            .map_err(|_| StreamError::Internal("the embedded broker did not start".into()))??;
        Ok(Self {
            bootstrap,
            _alive: alive,
        })
    }

    /// Starts a broker with every topic that `settings` name: the internal log with
    /// `log_partitions`, inputs with two partitions, the others with one.
    pub fn for_settings(settings: &StreamSettings, log_partitions: u32) -> Result<Self, StreamError> {
        let topics = &settings.topics;
        let mut all: Vec<(&str, u32)> = settings.inputs.iter().map(|input| (input.topic.as_str(), 2)).collect();
        all.push((&topics.events, log_partitions));
        for topic in [
            &topics.alerts,
            &topics.blocklist,
            &topics.stats,
            &topics.audit,
            &topics.dead_letters,
            &topics.feedback,
        ] {
            all.push((topic, 1));
        }
        Self::start(&all)
    }

    /// What clients need as `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }
}

fn start(
    topics: &[(String, u32)],
) -> Result<MockCluster<'static, rdkafka::producer::DefaultProducerContext>, StreamError> {
    let cluster =
        MockCluster::new(1).map_err(|error| StreamError::Client(format!("starting the embedded broker: {error}")))?;
    for (topic, partitions) in topics {
        cluster
            .create_topic(topic, *partitions as i32, 1)
            .map_err(|error| StreamError::Client(format!("creating `{topic}` on the embedded broker: {error}")))?;
    }
    Ok(cluster)
}
