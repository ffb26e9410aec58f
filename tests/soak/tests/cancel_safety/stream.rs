//! Drops whoever reads from each operator at every await, 100,000 times each, reads on, and counts: every item once, in order. And drops pipelines and stages as a whole:
//! no task left, no item both saved and failed.

mod operators;
mod wholes;
