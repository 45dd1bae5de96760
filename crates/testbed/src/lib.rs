//! Real servers as child processes, for tests, benchmarks and the demo stack.
