import Foundation
import Simulation
import TestSupport
import Testing

/// The page in a real browser, without a window.
@Suite(.serialized, .enabled(if: Browser.path != nil, Browser.isMissing)) struct BrowserTests {
    struct Counts: Decodable {
        var events, shown, matches, inView, lanes, bars, arrows, broken, signs, labels, stride: Int
    }

    struct View: Decodable {
        var axis: String
        var from, to, fromTime, toTime: Double
    }

    // MARK: 10,000 events

    struct Report: Decodable {
        var errors: [String]
        var first, all, zoomed, faults, lane, found, only: Counts
        var firstView, allView, zoomedView, wheelView, keyView, timeView: View
        var selected: Int
        var hover, tip, row, verdict, title: String
        var arrowPixels, violationPixels: Int
        var switchedOff: Int
        var folded: Int
        var cause: Int
        var redrawInTime, redrawInOrder: Double
    }

    static let checks = """
        const overlay = document.getElementById('overlay');
        const pixels = () => document.getElementById('scene').getContext('2d')
            .getImageData(0, 0, document.getElementById('scene').width, document.getElementById('scene').height).data;
        const counted = () => { story.redraw(); return story.counts(); };
        const best = () => Math.min(...Array.from({ length: 9 }, () => story.redraw()));
        report.verdict = document.getElementById('verdict').textContent;
        report.title = document.title;
        report.first = counted();
        report.folded = story.counts().shown;
        report.firstView = story.view();
        report.selected = story.selected();

        // Hovering over the event that is chosen, by a pointer that moves there.
        const point = story.pointOf(report.selected), frame = overlay.getBoundingClientRect();
        report.hover = story.textAt(point.x, point.y);
        overlay.dispatchEvent(new PointerEvent('pointermove', { clientX: frame.left + point.x, clientY: frame.top + point.y }));
        report.tip = document.getElementById('tip').textContent;
        report.row = document.querySelector('.row.selected').textContent;
        const [red, green, blue] = Array.from(document.getElementById('scene').getContext('2d')
            .getImageData(Math.round(point.x * devicePixelRatio), 5, 1, 1).data);
        report.violationPixels = red > 150 && green < 120 && blue < 140 ? 1 : 0;

        story.setQuiet(true);
        story.fit();
        report.all = counted();
        report.allView = story.view();
        report.redrawInOrder = best();
        story.zoom(4);
        report.zoomed = counted();
        report.zoomedView = story.view();
        overlay.dispatchEvent(new WheelEvent('wheel', { deltaY: -200, clientX: 500, clientY: frame.top + 50 }));
        report.wheelView = story.view();
        dispatchEvent(new KeyboardEvent('keydown', { key: 'f' }));
        report.keyView = story.view();
        story.setAxis('time');
        story.fit();
        report.timeView = story.view();
        report.redrawInTime = best();

        // What the arrows alone add to the picture: away from the lanes' lines, where the signs are.
        const lines = new Set(), width = document.getElementById('scene').width;
        for (let i = 0; i < 10000; i++) lines.add(story.pointOf(i).y * devicePixelRatio);
        const isBetween = row => [...lines].every(line => Math.abs(row - line) > 9 * devicePixelRatio);
        story.setKinds([]);
        story.redraw();
        const without = pixels();
        story.setKinds(['message']);
        story.redraw();
        const withThem = pixels();
        report.arrowPixels = 0;
        for (let row = 0; row * width * 4 < without.length; row++) {
            if (!isBetween(row)) continue;
            for (let n = row * width * 4; n < (row + 1) * width * 4; n += 4) {
                if (without[n] !== withThem[n] || without[n + 1] !== withThem[n + 1]) report.arrowPixels++;
            }
        }
        story.setKinds(['fault']);
        report.faults = counted();
        story.setKinds(null);
        story.setLanes(['a0']);
        report.lane = counted();
        story.setLanes(null);
        story.search('c0k15');
        report.found = counted();
        story.search('c0k15', true);
        report.only = counted();
        story.search('');
        report.cause = story.causeOf(report.selected);
        document.querySelector('#kinds .chip').click();
        report.switchedOff = story.counts().shown;
        """

    @Test func `10,000 events are drawn, filtered, found and explained`() async throws {
        let story = SampleStory.make(events: 10_000)
        let broken = try #require(story.violation)
        let report = try await Browser.report(Report.self, of: StoryPage.html(story), checks: Self.checks)
        #expect(report.errors == [])
        #expect(report.title == story.title)

        // It opens at what broke.
        #expect(report.verdict.contains(broken.invariant) && report.verdict.contains(broken.detail))
        #expect(report.firstView.fromTime < Double(broken.time.nanoseconds))
        #expect(report.firstView.toTime >= Double(broken.time.nanoseconds))
        #expect((20...200).contains(report.first.inView))
        #expect(report.first.lanes == story.lanes.count)
        #expect(report.first.arrows > 10 && report.first.labels > 10 && report.first.signs > 10)
        #expect(report.violationPixels == 1, "the line of the violation is not there")
        let last = try #require(story.events.last)
        for text in [report.hover, report.tip, report.row] { #expect(text.contains(last.text)) }
        #expect(report.hover.contains("#\(last.index)") && report.hover.contains("violation"))

        // Quiet steps come on request; what led to the violation is the event before it on its lane.
        let quiet = 10_000 - report.folded
        #expect(quiet > 100 && quiet <= story.events.count { [.step, .timer, .disk].contains($0.kind) })
        let ordered = story.events.sorted { ($0.time, $0.index) < ($1.time, $1.index) }
        #expect(report.cause == ordered.dropLast().lastIndex { $0.lane == last.lane })

        // Zoom, by its function, the wheel and a key.
        #expect(report.all.inView == 10_000 && report.all.broken > 0 && report.all.bars > 100)
        let span = report.allView.to - report.allView.from
        let zoomed = report.zoomedView.to - report.zoomedView.from
        #expect(abs(zoomed * 4 - span) < span / 1_000)
        #expect((2_000...3_000).contains(report.zoomed.inView))
        #expect(report.wheelView.to - report.wheelView.from < zoomed * 0.9)
        #expect(report.keyView.to - report.keyView.from == span)
        #expect(report.timeView.axis == "time" && report.timeView.fromTime <= 0)

        // Arrows are pixels; filters and the search agree with the story.
        #expect(report.arrowPixels > 5_000)
        #expect(report.faults.shown == story.events.count { $0.kind == .fault })
        let lane = try #require(story.lanes.firstIndex { $0.name == "a0" })
        #expect(report.lane.shown == story.events.count { $0.lane == lane || $0.from == lane })
        #expect(report.lane.lanes == 1)
        let found = story.events.count { $0.text.contains("c0k15") }
        #expect(found > 0 && report.found.matches == found && report.found.shown == 10_000)
        #expect(report.only.shown == found)
        #expect(report.switchedOff == 10_000 - story.events.count { $0.kind == .step })

        // The quickest of nine: what else the machine does is not the page's.
        #expect(report.redrawInTime < 50 && report.redrawInOrder < 50, "\(report.redrawInTime) \(report.redrawInOrder) ms")
    }

    // MARK: Others

    struct Short: Decodable {
        var errors: [String]
        var counts: Counts
        var view: View
        var isHacked: Bool
        var text, heading: String
        var redraw: Double
    }

    static let shortChecks = """
        report.redraw = story.redraw();
        report.counts = story.counts();
        report.view = story.view();
        report.isHacked = window.hacked !== undefined;
        report.text = document.getElementById('verdict').textContent;
        report.heading = document.querySelector('h1').textContent;
        """

    @Test func `100,000 events still open`() async throws {
        let page = StoryPage.html(SampleStory.make(events: 100_000))
        let report = try await Browser.report(
            Short.self, of: page, checks: "story.setQuiet(true); story.fit();" + Self.shortChecks)
        #expect(report.errors == [])
        #expect(report.counts.inView == 100_000 && report.counts.stride > 1)
        #expect(report.redraw < 3_000)
    }

    @Test func `Hostile text is shown and does nothing`() async throws {
        let report = try await Browser.report(
            Short.self, of: StoryPage.html(PageTests.hostileStory), checks: Self.shortChecks)
        #expect(report.errors == [])
        #expect(!report.isHacked)
        #expect(report.heading.hasPrefix("</script><script>window.hacked = 1</script>"))
        #expect(!report.heading.unicodeScalars.contains { $0.value < 32 || $0.value == 0x202E })
        #expect(report.counts.lanes == 2)
    }

    @Test func `A story without a violation, and one without anything`() async throws {
        let whole = try await Browser.report(
            Short.self, of: StoryPage.html(SampleStory.make(events: 2_000, isBroken: false)), checks: Self.shortChecks)
        #expect(whole.errors == [])
        #expect(whole.text == "No invariant was broken." && whole.view.axis == "time")
        #expect(whole.counts.inView == whole.counts.shown && whole.counts.shown > 1_500)
        let empty = try await Browser.report(
            Short.self, of: StoryPage.html(Story(title: "empty", seed: 0, lanes: [])), checks: Self.shortChecks)
        #expect(empty.errors == [])
        #expect(empty.counts.shown == 0)
    }

    struct Errors: Decodable {
        var errors: [String]
    }

    @Test func `A page whose script fails would be seen`() async throws {
        let page = StoryPage.html(SampleStory.make(events: 50))
        let broken = page.replacing("drawScene(); drawOverview();", with: "drawNothing();")
        #expect(broken != page)
        let report = try await Browser.report(Errors.self, of: broken, checks: "")
        #expect(!report.errors.isEmpty)
        let outside = page.replacing("</header>", with: "</header><img src=\"file:///nowhere.png\">")
        let policed = try await Browser.report(Errors.self, of: outside, checks: "")
        #expect(policed.errors.contains { $0.hasPrefix("policy") })
    }

    @Test func `A picture of it, to be looked at`() async throws {
        let folder = TemporaryFolder("pictures")
        let kept = ProcessInfo.processInfo.environment["AVIARY_TEST_LOGS"].map { "\($0)/story.png" }
        let path = kept ?? folder.file("story.png")
        try await Browser.screenshot(of: StoryPage.html(SampleStory.make(events: 10_000)), to: path)
        let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
        #expect(size > 50_000, "an empty picture is smaller")
    }
}
