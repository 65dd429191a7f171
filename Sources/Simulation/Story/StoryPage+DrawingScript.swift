extension StoryPage {
    /// The picture: lanes, bars, arrows, signs and their labels, the axis and the overview above.
    static let drawingScript = #"""
        // ---------------------------------------------------------------- Canvases and lanes

        const overview = element('overview'), scene = element('scene'), overlay = element('overlay');
        const scroller = element('scroller');
        const gutter = 104, barHeight = 14, troubleHeight = 12, lineHeight = 19;
        const size = { width: 0, height: 0, visible: 0 };
        let overviewIsStale = true, overviewImage = null;
        const drawn = { lanes: 0, bars: 0, arrows: 0, broken: 0, signs: 0, labels: 0, stride: 1 };

        const x = place => gutter + (place - view.from) / (view.to - view.from) * (size.width - gutter);
        const placeAt = x => view.from + (x - gutter) / (size.width - gutter) * (view.to - view.from);

        // Bars of a lane that overlap stand on tracks of their own, three at most.
        const tracks = story.lanes.map(() => ({ upper: [], lower: [] }));
        for (const bar of bars) {
          if (lasting.has(bar.kind)) continue;
          const ends = tracks[bar.lane][troubles.has(bar.kind) ? 'lower' : 'upper'];
          const free = ends.findIndex(end => end <= bar.begin);
          bar.track = free >= 0 ? free : Math.min(ends.length, 2);
          ends[bar.track] = Math.max(ends[bar.track] ?? 0, bar.end);
        }

        // Where the shown lanes stand; those that are not have no row.
        let rows = [];
        function layOut() {
          const names = story.lanes.map((_, l) => l).filter(laneShown);
          const need = l => 6 + tracks[l].upper.length * barHeight + lineHeight + tracks[l].lower.length * troubleHeight;
          const total = names.reduce((sum, l) => sum + need(l), 0);
          const spare = names.length ? Math.max(0, Math.min(36, (size.visible - total) / names.length)) : 0;
          rows = story.lanes.map(() => null);
          let top = 0;
          for (const l of names) {
            const bottom = top + need(l) + spare;
            const line = top + 4 + tracks[l].upper.length * barHeight + (lineHeight + spare) / 2;
            rows[l] = { top, bottom, line, lower: line + (lineHeight + spare) / 2 };
            top = bottom;
          }
          size.height = Math.max(top, size.visible, 40);
        }

        function fitCanvas(canvas, width, height) {
          const scale = devicePixelRatio || 1;
          const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
          if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
          canvas.style.width = `${width}px`;
          canvas.style.height = `${height}px`;
          const context = canvas.getContext('2d');
          context.setTransform(scale, 0, 0, scale, 0, 0);
          context.clearRect(0, 0, width, height);
          context.font = '10.5px ui-monospace, Menlo, Consolas, monospace';
          context.textBaseline = 'middle';
          return context;
        }

        function measure() {
          size.width = scroller.clientWidth;
          size.visible = scroller.clientHeight;
          layOut();
          overviewIsStale = true;
        }

        const letter = 6.35;                             // the width of one in the canvas font
        const clipped = (text, width) => {
          const letters = Math.floor(width / letter);
          return text.length <= letters ? text : letters > 2 ? text.slice(0, letters - 1) + '…' : '';
        };

        // The ranks of what may be in view: [first, end). Behind it, nothing left early enough to reach into the view.
        function ranksInView(margin = 0) {
          const low = view.from - margin, high = view.to + margin;
          const first = firstIndex(0, shown.length, k => at[shown[k]] >= low);
          const inside = firstIndex(first, shown.length, k => at[shown[k]] > high);
          return { first, inside, end: firstIndex(inside, shown.length, k => earliestDeparture[k] > high) };
        }

        // ---------------------------------------------------------------- The scene

        function drawScene() {
          const context = fitCanvas(scene, size.width, size.height);
          Object.assign(drawn, { lanes: 0, bars: 0, arrows: 0, broken: 0, signs: 0, labels: 0 });
          const range = ranksInView();
          drawLanes(context);
          context.save();
          context.beginPath();
          context.rect(gutter, 0, size.width - gutter, size.height);
          context.clip();
          drawGrid(context);
          drawArrows(context, range);
          drawBars(context);
          drawViolation(context);
          drawSigns(context, range);
          context.restore();
        }

        function drawLanes(context) {
          story.lanes.forEach(([name, kind], l) => {
            const row = rows[l];
            if (!row) return;
            context.fillStyle = colours[drawn.lanes++ % 2 ? 'stripe' : 'paper'];
            context.fillRect(0, row.top, size.width, row.bottom - row.top);
            context.fillStyle = colours.panel;
            context.fillRect(0, row.top, gutter - 4, row.bottom - row.top - 1);
            context.fillStyle = laneColour(kind);
            context.fillRect(0, row.top, 4, row.bottom - row.top - 1);
            context.fillStyle = colours.ink;
            context.fillText(clipped(visible(name), gutter - 18), 11, row.line);
            context.strokeStyle = colours.rule;
            context.lineWidth = 1;
            context.beginPath();
            context.moveTo(gutter, Math.round(row.line) + 0.5);
            context.lineTo(size.width, Math.round(row.line) + 0.5);
            context.stroke();
          });
        }

        const laneColour = kind =>
          colours[{ server: 'term3', data: 'term0', client: 'call', zooKeeper: 'zooKeeper', world: 'faint' }[kind]];

        function drawBars(context) {
          const painted = new Map();                     // the last pixel painted of each track: bars thinner than that are one
          bars.forEach((bar, b) => {
            const row = rows[bar.lane];
            if (!row || barEnd[b] < view.from || barBegin[b] > view.to) return;
            const begin = Math.max(x(barBegin[b]), gutter - 2);
            const width = Math.max(Math.min(x(barEnd[b]), size.width + 2) - begin, 2);
            const [y, height] = barPlace(bar, row);
            const track = `${bar.lane} ${y}`;
            if (width <= 2 && painted.get(track) >= begin + 1) return;
            painted.set(track, begin + width);
            paintBar(context, bar, begin, y, width, height);
            drawn.bars++;
            const label = width > 20 ? clipped(visible(bar.text), width - 6) : '';
            if (!label) return;
            const onColour = !lasting.has(bar.kind) && !['phase', 'learner', 'standby', 'slow'].includes(bar.kind)
              && (bar.kind !== 'operation' || bar.outcome === 'ok');
            context.fillStyle = onColour ? '#fff' : colours.ink;
            context.fillText(label, Math.max(begin, gutter) + 3, lasting.has(bar.kind) ? y + 8 : y + height / 2 + 0.5);
          });
        }

        function barPlace(bar, row) {
          if (lasting.has(bar.kind)) return [row.top + 1, row.bottom - row.top - 2];
          if (troubles.has(bar.kind)) return [row.lower + bar.track * troubleHeight, troubleHeight - 1];
          return [row.top + 3 + bar.track * barHeight, barHeight - 1];
        }

        function drawViolation(context) {
          if (!story.violation) return;
          const middle = x(placeOf(story.violation.time));
          context.fillStyle = colours.bad;
          context.globalAlpha = 0.12;
          context.fillRect(middle - 5, 0, 11, size.height);
          context.globalAlpha = 1;
          context.fillRect(middle - 0.75, 0, 2, size.height);
        }

        // ---------------------------------------------------------------- Arrows

        let arrows = [];                                 // the events whose arrows were drawn, for pointing at them

        // The ends of an event's arrow. Towards a lane that is not shown it is a stub; a lost message breaks off halfway.
        function arrowOf(i) {
          if (from[i] < 0 || (from[i] === lane[i] && !lost[i])) return null;
          const source = rows[from[i]], target = rows[lane[i]];
          if (!source && !target) return null;
          const down = from[i] < lane[i] ? 1 : -1;
          const y0 = source?.line ?? target.line - 22 * down, y1 = target?.line ?? source.line + 22 * down;
          const x0 = x(left[i]), x1 = x(at[i]);
          if (!lost[i]) return [x0, y0, x1, y1];
          return [x0, y0, x0 + Math.max(14, Math.min((x1 - x0) / 2, 60)), y0 + (y1 - y0) * 0.45];
        }

        function drawArrows(context, { first, end }) {
          arrows = [];
          let candidates = 0;
          for (let k = first; k < end; k++) candidates += from[shown[k]] >= 0 ? 1 : 0;
          // Beyond two thousand, one of so many stands for the rest (always the same ones), but no lost one is left out.
          drawn.stride = 1;
          while (candidates / drawn.stride > 2000) drawn.stride *= 2;
          const styles = new Map();
          const taken = new Set();                       // two arrows on the same pixels are one
          for (let k = first; k < end; k++) {
            const i = shown[k];
            if (from[i] < 0 || (drawn.stride > 1 && !lost[i] && i % drawn.stride)) continue;
            const line = arrowOf(i);
            if (!line || Math.max(line[0], line[2]) < gutter || Math.min(line[0], line[2]) > size.width) continue;
            const pixels = ((from[i] * 256 + lane[i]) * 8192 + Math.round(line[0])) * 8192 + Math.round(line[2]);
            if (!lost[i] && taken.has(pixels)) continue;
            taken.add(pixels);
            arrows.push(i);
            const style = lost[i] ? 'lost' : kindOf(i);
            const key = `${style} ${filter.words.length && !matches[i] ? 'dim' : ''}`;
            if (!styles.has(key)) styles.set(key, []);
            styles.get(key).push(line);
          }
          const dense = arrows.length > 600;
          for (const [key, lines] of styles) {
            const [style, dim] = key.split(' ');
            context.strokeStyle = context.fillStyle = colours[style === 'lost' ? 'bad' : style];
            context.globalAlpha = dim ? 0.12 : style === 'lost' ? Math.max(0.35, Math.min(0.9, 60 / lines.length))
              : dense ? Math.max(0.1, 200 / arrows.length) : 0.75;
            strokeArrows(context, lines, style === 'lost', dense);
          }
          context.globalAlpha = 1;
          drawn.arrows = arrows.length;
          for (const i of arrows) drawn.broken += lost[i];
        }

        function strokeArrows(context, lines, areBroken, dense, width = 1) {
          context.lineWidth = areBroken ? 1.4 * width : width;
          context.setLineDash(areBroken ? [4, 3] : []);
          context.beginPath();
          for (const [x0, y0, x1, y1] of lines) { context.moveTo(x0, y0); context.lineTo(x1, y1); }
          context.stroke();
          context.setLineDash([]);
          if (dense && !areBroken) return;
          context.beginPath();
          for (const [x0, y0, x1, y1] of lines) {
            if (areBroken) {
              context.moveTo(x1 - 3.5, y1 - 3.5); context.lineTo(x1 + 3.5, y1 + 3.5);
              context.moveTo(x1 - 3.5, y1 + 3.5); context.lineTo(x1 + 3.5, y1 - 3.5);
              continue;
            }
            const angle = Math.atan2(y1 - y0, x1 - x0), turn = 0.38, length = 7;
            context.moveTo(x1, y1);
            context.lineTo(x1 - length * Math.cos(angle - turn), y1 - length * Math.sin(angle - turn));
            context.lineTo(x1 - length * Math.cos(angle + turn), y1 - length * Math.sin(angle + turn));
          }
          if (areBroken) context.stroke(); else context.fill();
        }

        // ---------------------------------------------------------------- Signs and labels

        function drawSigns(context, { first, inside }) {
          const many = inside - first > 3000;
          const width = Math.ceil(size.width) + 2;
          const taken = new Uint16Array(story.lanes.length * width);    // a bit for each kind that stands there already
          const ticks = [], above = [];
          for (let k = first; k < inside; k++) {
            const i = shown[k], row = rows[lane[i]];
            if (!row || lost[i]) continue;
            const middle = x(at[i]);
            if (important.has(kindOf(i))) { above.push(i); continue; }
            const pixel = lane[i] * width + Math.max(0, Math.round(middle));
            if (taken[pixel] & 1 << kind[i]) continue;
            taken[pixel] |= 1 << kind[i];
            drawn.signs++;
            if (many) { (ticks[kind[i]] ??= []).push(middle - 0.5, row.line - 5); continue; }
            // The head of its arrow is enough of a sign for a message.
            if (kindOf(i) === 'message' && from[i] >= 0) continue;
            context.globalAlpha = filter.words.length && !matches[i] ? 0.18 : 1;
            drawSign(context, kindOf(i), middle, row.line);
          }
          context.globalAlpha = filter.words.length ? 0.25 : 1;
          ticks.forEach((places, k) => {
            context.fillStyle = colours[story.kinds[k][0]];
            for (let n = 0; n < places.length; n += 2) context.fillRect(places[n], places[n + 1], 1, 10);
          });
          const last = new Map();
          for (const i of above) {
            const middle = x(at[i]), key = lane[i] * 32 + kind[i];
            if (!matches[i] && middle - (last.get(key) ?? -9) < (many ? 5 : 2)) continue;
            last.set(key, middle);
            context.globalAlpha = filter.words.length && !matches[i] ? 0.18 : 1;
            drawSign(context, signOf(i), middle, rows[lane[i]].line);
            drawn.signs++;
          }
          context.globalAlpha = 1;
          if (filter.words.length) drawHits(context, first, inside);
          if (inside - first < 500) drawLabels(context, first, inside);
        }

        // A ring around each event that the search found; where there are many, a stroke below it.
        function drawHits(context, first, inside) {
          context.strokeStyle = context.fillStyle = colours.state;
          context.lineWidth = 1.5;
          context.beginPath();
          const last = story.lanes.map(() => -9);
          for (let k = first; k < inside; k++) {
            const i = shown[k], l = rows[lane[i]] ? lane[i] : from[i], middle = x(at[i]);
            if (!matches[i] || !rows[l] || middle - last[l] < 1) continue;
            last[l] = middle;
            if (inside - first > 1000) {
              context.fillRect(middle - 1, rows[l].line + 6, 2, 5);
            } else {
              context.moveTo(middle + 8, rows[l].line);
              context.arc(middle, rows[l].line, 8, 0, 7);
            }
          }
          context.stroke();
        }

        // The text of an event stands behind its sign, as far as the next one on the lane leaves room.
        function drawLabels(context, first, inside) {
          const limit = new Float64Array(story.lanes.length).fill(size.width);
          context.lineWidth = 3;
          context.strokeStyle = colours.paper;
          for (let k = inside - 1; k >= first; k--) {
            const i = shown[k], row = rows[lane[i]];
            if (!row || lost[i]) continue;
            const begin = x(at[i]) + 7;
            const room = Math.min(limit[lane[i]] - begin - 8, 420);
            const label = room > 28 ? clipped(visible(textOf(i)), room) : '';
            limit[lane[i]] = begin - 7;
            if (!label) continue;
            context.globalAlpha = filter.words.length && !matches[i] ? 0.3 : 1;
            context.strokeText(label, begin, row.line + 8);
            context.fillStyle = important.has(kindOf(i)) ? colours[signOf(i)] : colours.faint;
            context.fillText(label, begin, row.line + 8);
            drawn.labels++;
          }
          context.globalAlpha = 1;
        }
        """#
}
