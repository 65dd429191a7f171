import Testing

@testable import Simulation

/// The queue against an array that does the same.
@Suite struct QueueTests {
    @Test func itIsFirstInFirstOutHoweverItsRingTurns() {
        var queue = Queue<String>()
        var model: [String] = []
        var next = 0
        // Mostly filling, then mostly emptying, so that it grows while its head is anywhere and runs empty again.
        for step in 0..<2_000 {
            let fills = (step / 50).isMultiple(of: 2)
            if step % 3 == 0 ? !fills : fills {
                queue.append("\(next)")
                model.append("\(next)")
                next += 1
            } else {
                #expect(queue.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
            }
            if step % 97 == 0 {
                let kept = step % 7
                queue.keepFirst(kept)
                model = Array(model.prefix(kept))
            }
            #expect(queue.count == model.count && queue.isEmpty == model.isEmpty && queue.first == model.first)
            #expect((0..<queue.count).map { queue[$0] } == model)
        }
        queue.removeAll()
        #expect(queue.isEmpty && queue.first == nil && queue.popFirst() == nil)
    }

    @Test func itHasNoElementThatWasTaken() {
        final class Token {}
        var queue = Queue<Token>()
        weak var taken: Token?
        weak var dropped: Token?
        do {
            let (first, second) = (Token(), Token())
            (taken, dropped) = (first, second)
            queue.append(first)
            queue.append(second)
        }
        _ = queue.popFirst()
        #expect(taken == nil && dropped != nil)
        queue.keepFirst(0)
        #expect(dropped == nil)
    }

    @Test func aCopyGoesItsOwnWay() {
        var queue = Queue<Int>()
        for number in 0..<5 { queue.append(number) }
        var copy = queue
        _ = copy.popFirst()
        copy.append(9)
        #expect(queue.first == 0 && queue.count == 5)
        #expect(copy.first == 1 && copy[4] == 9)
    }
}
