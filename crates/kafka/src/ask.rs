//! Questions to the brokers, answered on a thread of their own by a client that never joins the group, so that a
//! broker that takes its time holds up no record.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use rdkafka::consumer::BaseConsumer;

use crate::gap::Lookup;

/// The brokers answer within this, or are asked again.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How a question is put to the brokers.
type Put<Q, A> = fn(&BaseConsumer, &Q) -> Result<A, String>;

/// One question at a time. The thread ends with it.
#[derive(Debug)]
pub(crate) struct Asker<Q, A> {
    questions: SyncSender<Q>,
    answers: Receiver<Result<A, String>>,
    asked: bool,
}

impl<Q: Send + 'static, A: Send + 'static> Asker<Q, A> {
    /// An asker whose thread is called `name`.
    pub(crate) fn new(name: &str, lookup: Lookup, put: Put<Q, A>) -> Self {
        let (questions, asked) = sync_channel(1);
        let (answer, answers) = sync_channel(1);
        let started = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || answer_all(&lookup, (&asked, &answer), put));
        if let Err(error) = started {
            tracing::error!(error = %error, "no thread to ask the brokers");
        }
        Self {
            questions,
            answers,
            asked: false,
        }
    }

    /// Whether an answer is still to come.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked
    }

    /// Asks; whether that was possible.
    pub(crate) fn ask(&mut self, question: Q) -> bool {
        self.asked = self.questions.try_send(question).is_ok();
        self.asked
    }

    /// The answer, once it is there.
    pub(crate) fn answer(&mut self) -> Option<Result<A, String>> {
        match self.answers.try_recv() {
            Ok(answer) => {
                self.asked = false;
                Some(answer)
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }
}

fn answer_all<Q, A>(
    lookup: &Lookup,
    (asked, answer): (&Receiver<Q>, &SyncSender<Result<A, String>>),
    put: Put<Q, A>,
) {
    let mut client: Option<BaseConsumer> = None;
    while let Ok(question) = asked.recv() {
        let answered = match &client {
            Some(client) => put(client, &question),
            None => lookup.client().and_then(|made| {
                let answered = put(&made, &question);
                client = Some(made);
                answered
            }),
        };
        // Nobody listens when the source was closed meanwhile.
        if answer.send(answered).is_err() {
            return;
        }
    }
}
