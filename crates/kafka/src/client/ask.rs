//! Requests to the brokers on a separate thread, with a client that never joins the group, so that a slow broker
//! delays no record.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use rdkafka::consumer::BaseConsumer;

use super::connection::{KafkaClientError, KafkaConnection};

/// Timeout of a request; then it is retried.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Creates clients for requests about a group that never join it.
#[derive(Debug, Clone)]
pub(crate) struct Onlooker {
    pub(crate) connection: KafkaConnection,
    pub(crate) group: String,
}

impl Onlooker {
    pub(crate) fn client(&self) -> Result<BaseConsumer, KafkaClientError> {
        // One record tells whether a partition can be read.
        let usual = [
            ("fetch.max.bytes", "4194304"),
            ("fetch.message.max.bytes", "1024"),
            ("queued.min.messages", "1"),
        ];
        let fixed = [
            ("auto.offset.reset", "error"),
            // Whoever asks reports what fails.
            ("log_level", "0"),
        ];
        let config = self.connection.outside_client(&self.group, &usual, &fixed);
        config.create().map_err(KafkaClientError::from_kafka)
    }

    /// Sends all requests with one client, created for the first.
    pub(crate) fn with_one_client<Q, A>(
        self,
        put: fn(&BaseConsumer, &Q) -> Result<A, String>,
    ) -> impl FnMut(Q) -> Result<A, String> {
        let mut made: Option<BaseConsumer> = None;
        move |question| {
            let client = match made.take() {
                Some(client) => client,
                None => self.client().map_err(|error| error.to_string())?,
            };
            put(made.insert(client), &question)
        }
    }
}

/// One request at a time. The thread ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Asker<Q, A> {
    questions: SyncSender<Q>,
    answers: Receiver<Result<A, String>>,
    is_asked: bool,
}

impl<Q: Send + 'static, A: Send + 'static> Asker<Q, A> {
    /// An asker whose thread has this `name` and sends each request with `put`.
    pub(crate) fn new(
        name: &str,
        mut put: impl FnMut(Q) -> Result<A, String> + Send + 'static,
    ) -> Self {
        let (questions, asked) = sync_channel(1);
        let (answer, answers) = sync_channel(1);
        let started = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                while let Ok(question) = asked.recv() {
                    // There is no receiver if the source was closed meanwhile.
                    if answer.send(put(question)).is_err() {
                        return;
                    }
                }
            });
        if let Err(error) = started {
            tracing::error!(error = %error, "cannot start a thread for requests to the brokers");
        }
        Self {
            questions,
            answers,
            is_asked: false,
        }
    }

    /// Whether a request is pending.
    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// Starts a request; returns whether that was possible.
    pub(crate) fn ask(&mut self, question: Q) -> bool {
        self.is_asked = self.questions.try_send(question).is_ok();
        self.is_asked
    }

    /// The response, if it has arrived.
    pub(crate) fn answer(&mut self) -> Option<Result<A, String>> {
        let answer = match self.answers.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Disconnected) if self.is_asked => {
                Err("the thread for requests to the brokers has ended".to_owned())
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
        };
        self.is_asked = false;
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn answer_of(asker: &mut Asker<u32, u32>) -> Result<u32, String> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(answer) = asker.answer() {
                return answer;
            }
            assert!(Instant::now() < deadline, "never answered");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_question_whose_thread_ends_is_answered_with_that() {
        let mut asker = Asker::new("test", |question| match question {
            0 => panic!("the thread ends"),
            number => Ok(number + 1),
        });
        assert!(asker.ask(1));
        assert_eq!(answer_of(&mut asker), Ok(2));
        assert!(asker.answer().is_none() && !asker.is_asked());
        assert!(asker.ask(0));
        let ended = answer_of(&mut asker).expect_err("nobody answers");
        assert_eq!(ended, "the thread for requests to the brokers has ended");
        assert!(!asker.ask(1), "nobody is there to be asked");
    }
}
