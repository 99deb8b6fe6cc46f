// `npm run bench -- judge`: how often the judge throws a healthy candidate out, and how soon it notices a bad one. By
// simulation with fixed seeds, so two runs print the same table. Results that were kept: test/bench/RESULTS.md.
