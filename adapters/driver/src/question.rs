//! What the server is asked for one stream, and what it answers to the whole of it.

use crate::error::SubscribeError;
use crate::slot::Slot;
use crate::waiters::Wakes;
use mqtt_session::ReasonCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the server says to SUBSCRIBE or UNSUBSCRIBE, a reason code for each filter in their
/// order; or why it does not, for the first filter of which that is known.
pub type Answer = Result<Arc<[ReasonCode]>, SubscribeError>;

/// A request for one filter, among those that are answered together.
#[derive(Debug)]
pub(crate) struct Question {
    whole: Arc<Whole>,
    index: usize,
}

#[derive(Debug)]
struct Whole {
    slot: Arc<Slot<Answer>>,
    /// What was answered, by filter.
    reasons: Mutex<Vec<Option<ReasonCode>>>,
}

impl Whole {
    fn lock(&self) -> MutexGuard<'_, Vec<Option<ReasonCode>>> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question {
    /// As many as there are filters, and the slot for the answer to all of them; without any it
    /// is filled.
    pub(crate) fn several(count: usize, wakes: &mut Wakes) -> (Vec<Self>, Arc<Slot<Answer>>) {
        let slot = Arc::<Slot<Answer>>::default();
        if count == 0 {
            slot.fill(Ok(Arc::default()), wakes);
        }
        let whole = Arc::new(Whole {
            slot: Arc::clone(&slot),
            reasons: Mutex::new(vec![None; count]),
        });
        let question = |index| Self {
            whole: Arc::clone(&whole),
            index,
        };
        ((0..count).map(question).collect(), slot)
    }

    pub(crate) fn is_one_of_several(&self) -> bool {
        let reasons = self.whole.lock();
        reasons.len() > 1
    }

    pub(crate) fn answer(self, answer: Result<ReasonCode, SubscribeError>, wakes: &mut Wakes) {
        let whole = &self.whole;
        let reason = match answer {
            Ok(reason) => reason,
            Err(why) => return whole.slot.fill(Err(why), wakes),
        };
        let mut reasons = whole.lock();
        if let Some(own) = reasons.get_mut(self.index) {
            *own = Some(reason);
        }
        if let Some(all) = reasons.iter().copied().collect::<Option<Vec<_>>>() {
            whole.slot.fill(Ok(all.into()), wakes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn several(count: usize) -> (Vec<Question>, Arc<Slot<Answer>>) {
        Question::several(count, &mut Wakes::default())
    }

    #[test]
    fn the_answer_is_whole_when_the_last_has_come_and_keeps_the_order_of_the_filters() {
        let (questions, slot) = several(3);
        let mut wakes = Wakes::default();
        let reasons = [1, 0, 2].map(|code| ReasonCode::new(code).unwrap());
        for (question, reason) in questions.into_iter().zip(reasons).rev() {
            assert!(slot.value().is_none());
            question.answer(Ok(reason), &mut wakes);
        }
        assert_eq!(&*slot.value().unwrap().unwrap(), reasons);
    }

    #[test]
    fn one_refusal_is_the_answer() {
        let (questions, slot) = several(3);
        for (question, ok) in questions.into_iter().zip([true, false, true]) {
            let answer = if ok {
                Ok(ReasonCode::SUCCESS)
            } else {
                Err(SubscribeError::TimedOut)
            };
            question.answer(answer, &mut Wakes::default());
        }
        assert!(matches!(slot.value(), Some(Err(SubscribeError::TimedOut))));
    }

    #[test]
    fn nothing_asked_is_answered() {
        let (questions, slot) = several(0);
        assert!(questions.is_empty() && slot.value().unwrap().unwrap().is_empty());
    }
}
