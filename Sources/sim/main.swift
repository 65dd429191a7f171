import SimulationCommands

// The simulator alone, without what production needs: it builds in a minute. `aviary sim` is the same.
SimCommand.main()
