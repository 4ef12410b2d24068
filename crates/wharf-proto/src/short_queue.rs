//! A queue that mostly holds one thing.

use std::collections::VecDeque;

/// First in, first out. The first one lies in the queue itself, so that a queue of one never allocates, and one that is empty
/// owns nothing.
#[derive(Debug)]
pub(crate) struct ShortQueue<T> {
    first: Option<T>,
    /// Nothing, where there is no first.
    rest: VecDeque<T>,
}

impl<T> ShortQueue<T> {
    pub(crate) const fn new() -> Self {
        Self { first: None, rest: VecDeque::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.first.as_ref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.rest)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        match index.checked_sub(1) {
            None => self.first.as_ref(),
            Some(index) => self.rest.get(index),
        }
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        match index.checked_sub(1) {
            None => self.first.as_mut(),
            Some(index) => self.rest.get_mut(index),
        }
    }

    pub(crate) fn push_back(&mut self, value: T) {
        if self.first.is_none() {
            self.first = Some(value);
        } else {
            self.rest.push_back(value);
        }
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let first = self.first.take();
        self.first = self.rest.pop_front();
        self.give_back();
        first
    }

    /// Takes out the one at `index`; the others close up.
    pub(crate) fn remove(&mut self, index: usize) -> Option<T> {
        let Some(index) = index.checked_sub(1) else { return self.pop_front() };
        let removed = self.rest.remove(index);
        self.give_back();
        removed
    }

    fn give_back(&mut self) {
        if self.rest.is_empty() && self.rest.capacity() > 0 {
            self.rest = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is done to it, it is what the standard library's queue is.
        #[test]
        fn it_is_a_queue(steps in proptest::collection::vec((0..4_u8, 0..6_usize), 0..60)) {
            let (mut short, mut plain) = (ShortQueue::new(), VecDeque::new());
            for (number, (step, index)) in steps.into_iter().enumerate() {
                match step {
                    0 => prop_assert_eq!(short.pop_front(), plain.pop_front()),
                    1 => prop_assert_eq!(short.remove(index), plain.remove(index)),
                    _ => {
                        short.push_back(number);
                        plain.push_back(number);
                    }
                }
                prop_assert_eq!((short.len(), short.is_empty()), (plain.len(), plain.is_empty()));
                prop_assert_eq!((short.front(), short.get(index)), (plain.front(), plain.get(index)));
                prop_assert_eq!(short.get_mut(index).copied(), plain.get_mut(index).copied());
                prop_assert!(short.iter().eq(&plain));
                prop_assert!(short.len() > 1 || short.rest.capacity() == 0, "it holds on to memory");
            }
        }
    }
}
