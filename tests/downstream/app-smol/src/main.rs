//! An application on smol, which it starts itself.

// Also checks that the work may move between threads.
type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome {
    smol::block_on(smol::spawn(count()))
}

async fn count() -> Outcome {
    let words = |list: &[&str]| list.iter().map(|w| w.to_string()).collect();
    let sum = fleet::tally(words(&["regatta", "runs", "afloat"])).await?;
    let refused = match fleet::tally(words(&["ship", "c4t"])).await {
        Ok(sum) => return Err(format!("a word with a digit was counted: {sum}").into()),
        Err(refused) => refused,
    };
    println!(
        "{}: {sum} letters; refused: {refused}",
        fleet::runtime_name()
    );
    Ok(())
}
