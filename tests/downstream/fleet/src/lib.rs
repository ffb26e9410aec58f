//! A library that works in parallel, with a time limit, and has no opinion on the runtime.

use regatta::Runtime;
use regatta::task::task_group;
use regatta::time::{sleep, timeout};
use std::fmt;
use std::time::Duration;

/// Why [`tally`] gave no number.
#[derive(Debug)]
pub enum TallyError {
    /// Something that is not made of letters; which one, as it was given.
    NotAWord(String),
    /// It took longer than the limit.
    TooSlow,
}

impl fmt::Display for TallyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TallyError::NotAWord(word) => write!(f, "`{word}` is not a word"),
            TallyError::TooSlow => f.write_str("the count took too long"),
        }
    }
}

impl std::error::Error for TallyError {}

/// The name of the runtime that [`tally`] would use here.
pub fn runtime_name() -> &'static str {
    Runtime::current().name()
}

/// Counts the letters of all words, each word in a task of its own.
///
/// # Errors
///
/// The first word that has something else in it; the other counts are stopped then.
pub async fn tally(words: Vec<String>) -> Result<usize, TallyError> {
    let count = task_group(async move |group| {
        let tasks: Vec<_> = words
            .into_iter()
            .map(|word| group.spawn(letters(word)))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        Ok(sum)
    });
    match timeout(Duration::from_secs(30), count).await {
        Ok(Ok(sum)) => Ok(sum),
        Ok(Err(errors)) => Err(errors.into_first().unwrap_or(TallyError::TooSlow)),
        Err(_elapsed) => Err(TallyError::TooSlow),
    }
}

async fn letters(word: String) -> Result<usize, TallyError> {
    // Stands for work that waits, on the timers of whichever runtime this is.
    sleep(Duration::from_millis(1)).await;
    if word.chars().all(char::is_alphabetic) {
        Ok(word.chars().count())
    } else {
        Err(TallyError::NotAWord(word))
    }
}
