// Source: A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (IEEE TSE 2002): delta debugging.

/// Finds smaller things that are still good, whatever that means: the generic part of every shrinker. A caller offers
/// candidates by a closure that says which of them are good; it may say no to everything when it has had enough.
public enum Reduction {
    /// The fewest elements, in their order, with which the whole is still good: large parts are left out first, then smaller
    /// ones, until no single element can be left out.
    public static func fewest<Element>(_ elements: [Element], _ isGood: ([Element]) -> Bool) -> [Element] {
        var kept = elements
        if kept.isEmpty || isGood([]) { return [] }
        var parts = 2
        while kept.count >= 2 {
            let size = (kept.count + parts - 1) / parts
            var wasSmaller = false
            var start = 0
            while start < kept.count {
                let rest = Array(kept[..<start]) + Array(kept[min(kept.count, start + size)...])
                if !rest.isEmpty, isGood(rest) {
                    kept = rest
                    wasSmaller = true
                    // What follows has moved to `start`.
                } else {
                    start += size
                }
            }
            if size == 1 && !wasSmaller { break }
            parts = wasSmaller ? max(2, min(parts, kept.count)) : min(kept.count, parts * 2)
        }
        return kept
    }

    /// The smallest number from `least` up to `number` that is found good: the least itself, or else by halving, as if good
    /// numbers had only good ones above them; an eighth of the number is near enough.
    public static func smallest(_ number: Int64, least: Int64, _ isGood: (Int64) -> Bool) -> Int64 {
        var good = number
        if least >= good { return good }
        if isGood(least) { return least }
        var bad = least
        while good - bad > max(1, good / 8) {
            let middle = bad + (good - bad) / 2
            if isGood(middle) { good = middle } else { bad = middle }
        }
        return good
    }
}
