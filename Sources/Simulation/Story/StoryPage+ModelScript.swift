extension StoryPage {
    /// The story in arrays, what of it is shown, and where each thing stands on the axis.
    static let modelScript = #"""
        // ---------------------------------------------------------------- The story as it came

        const element = id => document.getElementById(id);
        const story = JSON.parse(element('data').textContent);
        const count = story.events.length;

        // Columns of the events, which come in the order of time. An event from nowhere has `from` -1.
        const time = Float64Array.from(story.events, e => e[0]);
        const lane = Int16Array.from(story.events, e => e[1]);
        const kind = Uint8Array.from(story.events, e => e[2]);
        // Behind the index stand origin, moment of sending and loss; or a single 1: quiet, as nothing came of it.
        const from = Int16Array.from(story.events, e => e.length > 6 ? e[5] : -1);
        const quiet = Uint8Array.from(story.events, e => e.length === 6 ? 1 : 0);
        const sent = Float64Array.from(story.events, e => e[6] ?? e[0]);
        const lost = Uint8Array.from(story.events, e => e[7] ?? 0);
        const textOf = i => story.events[i][3];
        const indexOf = i => story.events[i][4];

        // Columns of the bars, which come in the order of their begins.
        const bars = story.bars.map(([lane, kind, begin, end, text, outcome]) =>
          ({ lane, kind: story.barKinds[kind][0], begin, end, text, outcome: story.outcomes[outcome]?.[0] }));

        const laneName = l => story.lanes[l][0];
        const kindOf = i => story.kinds[kind[i]][0];

        // What an event is drawn as: its kind, but a life that ends has a sign of its own.
        const ends = new Set(bars.filter(bar => bar.kind === 'down').map(bar => `${bar.lane} ${bar.begin}`));
        const signOf = i => kindOf(i) === 'life' && ends.has(`${lane[i]} ${time[i]}`) ? 'death' : kindOf(i);
        const lasting = new Set(['down', 'paused']);                               // over the whole height of the lane
        const troubles = new Set(['cut', 'slow', 'diskFault', 'outage']);          // below its line; other bars are above

        // Text from outside may hold anything: what cannot be seen, or turns the writing around, is shown as a sign.
        const unseen = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
        const visible = text => text.replace(unseen, c =>
          c < ' ' ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : `\\u{${c.charCodeAt(0).toString(16)}}`);

        // "12.345678 s" for nanoseconds of the run, "1.25 ms" for a duration.
        const seconds = (nanos, decimals = 6) => (nanos / 1e9).toFixed(decimals);
        function duration(nanos) {
          const size = Math.abs(nanos);
          const [unit, name] = size < 1e3 ? [1, 'ns'] : size < 1e6 ? [1e3, 'µs'] : size < 1e9 ? [1e6, 'ms'] : [1e9, 's'];
          return `${+(nanos / unit).toPrecision(4)} ${name}`;
        }

        // First index at which `holds` is true, of a range in which it is false first and true then.
        function firstIndex(from, to, holds) {
          while (from < to) {
            const middle = (from + to) >> 1;
            if (holds(middle)) to = middle; else from = middle + 1;
          }
          return from;
        }

        // ---------------------------------------------------------------- What is shown

        const filter = { kinds: story.kinds.map(() => true), lanes: story.lanes.map(() => true), words: [], only: false,
          quiet: false };
        const matches = new Uint8Array(count);           // of the search; all 0 without one
        let matchCount = 0;
        let shown = new Int32Array(0);                   // the events that pass, in the order of time
        let shownMatches = 0;
        const rank = new Int32Array(count).fill(-1);     // their places in `shown`

        const laneShown = l => l >= 0 && filter.lanes[l];

        function search(text) {
          filter.words = text.toLowerCase().split(/\s+/).filter(word => word);
          matches.fill(0);
          matchCount = 0;
          if (!filter.words.length) return;
          for (let i = 0; i < count; i++) {
            const origin = from[i] >= 0 ? laneName(from[i]) : '';
            const hay = `${laneName(lane[i])} ${origin} ${kindOf(i)} #${indexOf(i)} ${textOf(i)}`.toLowerCase();
            if (filter.words.every(word => hay.includes(word))) { matches[i] = 1; matchCount++; }
          }
        }

        function refilter() {
          const kept = [];
          rank.fill(-1);
          shownMatches = 0;
          for (let i = 0; i < count; i++) {
            if (!filter.kinds[kind[i]] || !(laneShown(lane[i]) || laneShown(from[i]))) continue;
            if (quiet[i] && !filter.quiet) continue;
            if (filter.only && filter.words.length && !matches[i]) continue;
            rank[i] = kept.length;
            shownMatches += matches[i];
            kept.push(i);
          }
          shown = Int32Array.from(kept);
          place();
        }

        // ---------------------------------------------------------------- Places on the axis

        // The axis is 'time', in nanoseconds, or 'order', in ranks among what is shown. Each event has a place where it
        // happened, and one where it was sent; bars have two.
        let axis = count <= 1000 || story.violation ? 'order' : 'time';
        const at = new Float64Array(count), left = new Float64Array(count);
        const barBegin = new Float64Array(bars.length), barEnd = new Float64Array(bars.length);
        let earliestDeparture = new Float64Array(0);     // of the shown from each rank on: tells where to stop looking
        let extent = [0, 1];

        // Where a moment stands: in order, between the events around it, or on the first one at that moment.
        function placeOf(moment) {
          if (axis === 'time') return moment;
          const next = firstIndex(0, shown.length, k => time[shown[k]] >= moment);
          if (next === shown.length) return Math.max(0, next - 1) + (next && moment > time[shown[next - 1]] ? 0.5 : 0);
          const after = time[shown[next]];
          if (after === moment || next === 0) return next;
          const before = time[shown[next - 1]];
          return next - 1 + (moment - before) / (after - before);
        }

        // The moment at a place: the way back.
        function momentAt(place) {
          if (axis === 'time' || !shown.length) return place;
          const k = Math.max(0, Math.min(shown.length - 1, Math.floor(place)));
          const next = Math.min(shown.length - 1, k + 1);
          return time[shown[k]] + (time[shown[next]] - time[shown[k]]) * Math.max(0, Math.min(1, place - k));
        }

        // Where a message left: in order, at the event of its sender that caused it, where that is shown.
        function departure(i) {
          const behind = firstIndex(0, shown.length, k => time[shown[k]] > sent[i]);
          for (let k = behind - 1; k >= Math.max(0, behind - 64) && time[shown[k]] === sent[i]; k--) {
            if (lane[shown[k]] === from[i] && k < rank[i]) return k;
          }
          return Math.min(placeOf(sent[i]), rank[i]);
        }

        // What led to an event: for what was sent, the event of its sender at that moment or the last before; else the one
        // before it on its lane.
        function causeOf(i) {
          const wanted = from[i] >= 0 ? from[i] : lane[i];
          let k = from[i] >= 0 ? firstIndex(0, shown.length, k => time[shown[k]] > sent[i]) : rank[i];
          for (k -= 1; k >= 0; k--) if (lane[shown[k]] === wanted && shown[k] !== i) return shown[k];
          return -1;
        }

        function place() {
          const inOrder = axis === 'order';
          for (const i of shown) {
            at[i] = inOrder ? rank[i] : time[i];
            left[i] = from[i] < 0 ? at[i] : inOrder ? departure(i) : sent[i];
          }
          bars.forEach((bar, b) => {
            barBegin[b] = placeOf(bar.begin);
            barEnd[b] = Math.max(barBegin[b], placeOf(bar.end));
          });
          earliestDeparture = new Float64Array(shown.length);
          for (let k = shown.length - 1, least = Infinity; k >= 0; k--) {
            least = Math.min(least, left[shown[k]]);
            earliestDeparture[k] = least;
          }
          const low = inOrder ? 0 : Math.min(0, time[0] ?? 0);
          const high = inOrder ? Math.max(shown.length - 1, 1) : Math.max(story.end, 1);
          const margin = Math.max((high - low) * 0.01, inOrder ? 1 : 0);
          extent = [low - margin, high + margin];
          overviewIsStale = true;
          rowBox.style.height = `${shown.length * rowHeight}px`;
        }

        // ---------------------------------------------------------------- The part in view

        const view = { from: 0, to: 1 };
        const leastSpan = () => axis === 'time' ? 2000 : 3;

        function setView(from, to) {
          const span = Math.max(leastSpan(), Math.min(to - from, extent[1] - extent[0]));
          const middle = (from + to) / 2;
          from = Math.max(extent[0], Math.min(extent[1] - span, middle - span / 2));
          view.from = from;
          view.to = from + span;
          viewChanged();
        }

        const fit = () => setView(...extent);
        const pan = share => setView(view.from + (view.to - view.from) * share, view.to + (view.to - view.from) * share);

        function zoom(factor, place = (view.from + view.to) / 2) {
          setView(place - (place - view.from) / factor, place + (view.to - place) / factor);
        }

        function setAxis(name) {
          const [from, to] = [momentAt(view.from), momentAt(view.to)];
          axis = name;
          place();
          setView(placeOf(from), placeOf(to));
        }

        // The last part of the story before the violation, with a little room behind it; everything where there is none.
        function toViolation() {
          if (!story.violation) return fit();
          const moment = story.violation.time;
          const last = firstIndex(0, shown.length, k => time[shown[k]] > moment);
          const first = Math.max(0, last - (axis === 'order' ? 60 : 150));
          const end = placeOf(moment);
          const begin = shown.length ? Math.min(at[shown[Math.min(first, shown.length - 1)]], end) : end;
          const room = Math.max((end - begin) * 0.16, leastSpan() / 2);
          setView(begin - room / 8, end + room);
        }
        """#
}
