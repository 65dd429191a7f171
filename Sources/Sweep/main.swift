import Simulation
for s in UInt64(CommandLine.arguments[1])!...UInt64(CommandLine.arguments[2])! {
    let r = RunReport.of(seed: s, recordedLines: CommandLine.arguments.count > 3 ? Int(CommandLine.arguments[3])! : 0)
    for t in r.trace { print(t) }
    print(r.story, r.steps, r.simulated.milliseconds, r.operations, r.faults.total, r.reigns, r.epochs, r.recoveries)
}
