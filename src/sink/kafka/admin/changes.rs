//! Changes of topics that exist: their settings, their partitions, their end.
//!
//! They are made with the admin client of the parent, when an operator asks for them. Each waits
//! until the cluster shows what was changed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{AlterConfig, ConfigEntry, ConfigSource, NewPartitions, ResourceSpecifier};
use rdkafka::error::RDKafkaErrorCode;

use super::{ASK_MAX, Admin, CREATE_MAX, State, result_of};
use crate::domain::topic::Topic;
use crate::sink::Error;
use crate::sink::kafka::classify::classify_topic;
use crate::sink::kafka::rights::{Right, lacking};

impl Admin {
    /// Gives a topic more partitions, and waits until it has them.
    pub(in crate::sink::kafka) fn add_partitions(
        &self,
        topic: &str,
        partitions: u16,
    ) -> Result<(), Error> {
        let grown = NewPartitions::new(topic, usize::from(partitions));
        let results = self.administer("add partitions", async |admin, options| {
            admin.create_partitions(&[grown], &options.operation_timeout(Some(CREATE_MAX))).await
        })?;
        result_of(topic, &results).map_err(|code| match code {
            RDKafkaErrorCode::TopicAuthorizationFailed => refused_for("grow it", topic, code),
            _ => Error::cursors(format!("{topic} can't get {partitions} partitions: {code}")),
        })?;
        self.await_state(topic, |state| state.with_leaders() == Some(usize::from(partitions)))
    }

    /// Sets these settings of a topic, and leaves those that it has of its own otherwise. Kafka is
    /// told all of them, since its call resets what is not named.
    pub(in crate::sink::kafka) fn alter(
        &self,
        topic: &str,
        settings: &[(&str, String)],
    ) -> Result<(), Error> {
        let asked = [ResourceSpecifier::Topic(topic)];
        let answers = self
            .administer("describe the settings of a topic", async |admin, options| {
                admin.describe_configs(&asked, &options).await
            })?;
        let is_own = |entry: &ConfigEntry| entry.source == ConfigSource::DynamicTopic;
        let entries = answers.into_iter().flatten().flat_map(|resource| resource.entries);
        let mut all: HashMap<_, _> =
            entries.filter(is_own).filter_map(|entry| Some((entry.name, entry.value?))).collect();
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let config = all
            .iter()
            .fold(AlterConfig::new(ResourceSpecifier::Topic(topic)), |config, (name, value)| {
                config.set(name, value)
            });
        self.administer("alter the settings of a topic", async |admin, options| {
            admin.alter_configs(&[config], &options).await
        })?;
        self.await_settings(topic, settings)
    }

    /// Waits until a topic has these settings: rdkafka does not tell that they were refused.
    fn await_settings(&self, topic: &str, settings: &[(&str, String)]) -> Result<(), Error> {
        let until = Instant::now() + ASK_MAX;
        loop {
            let found = self.settings(topic)?;
            let differs = |(name, value): &&(&str, String)| found.get(*name) != Some(value);
            let Some((name, value)) = settings.iter().find(differs) else { return Ok(()) };
            if Instant::now() > until {
                let why = format!("alter its settings: Kafka does not take {name}={value}");
                let why = lacking(&why, Right::AlterConfigs, topic);
                let topic = Topic::parse(topic).map_err(|_| Error::retry(why.clone()))?;
                return Err(Error::Topic(topic, why));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Deletes a topic, and waits until it is gone. One that is gone already is no error.
    pub(in crate::sink::kafka) fn delete(&self, topic: &str) -> Result<(), Error> {
        let results = self.administer("delete a topic", async |admin, options| {
            admin.delete_topics(&[topic], &options.operation_timeout(Some(CREATE_MAX))).await
        })?;
        match result_of(topic, &results) {
            Ok(()) | Err(RDKafkaErrorCode::UnknownTopicOrPartition) => {}
            Err(code) => return Err(refused_for("delete it", topic, code)),
        }
        self.await_state(topic, |state| state == State::Missing)
    }

    /// Waits until a topic has a state that was asked for.
    fn await_state(&self, topic: &str, is_there: impl Fn(State) -> bool) -> Result<(), Error> {
        let until = Instant::now() + CREATE_MAX;
        while !is_there(self.state(topic, ASK_MAX)?) {
            if Instant::now() > until {
                return Err(Error::retry(format!("{topic} was changed, but not yet everywhere")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

fn refused_for(act: &str, topic: &str, code: RDKafkaErrorCode) -> Error {
    let why = format!("{act}: {code}");
    match Topic::parse(topic) {
        Ok(topic) => classify_topic(&why, &topic, code),
        Err(_) => Error::retry(format!("{topic}: {why}")),
    }
}
