extension StoryPage {
    /// The overview of the whole run, the axis below it, and the layer over the picture: pointer, choice and hits.
    static let axisScript = #"""
        // ---------------------------------------------------------------- Axis and grid

        const overviewHeight = 40, axisHeight = 24;

        // Round places at least `room` pixels apart, with their labels.
        function ticks(room) {
          const span = view.to - view.from;
          const raw = span * room / Math.max(1, size.width - gutter);
          const power = 10 ** Math.floor(Math.log10(raw));
          let step = power * [1, 2, 5, 10].find(factor => factor * power >= raw);
          if (axis === 'order') step = Math.max(1, Math.round(step));
          const decimals = axis === 'order' ? 6 : Math.max(0, Math.min(9, 9 - Math.floor(Math.log10(step) + 1e-9)));
          const list = [];
          for (let place = Math.ceil(view.from / step) * step; place <= view.to && list.length < 200; place += step) {
            if (axis === 'order' && (place < 0 || place >= shown.length)) continue;
            list.push([place, seconds(momentAt(place), decimals)]);
          }
          return list;
        }

        const tickRoom = 120;

        function drawGrid(context) {
          context.strokeStyle = colours.rule;
          context.lineWidth = 1;
          context.globalAlpha = 0.6;
          context.beginPath();
          for (const [place] of ticks(tickRoom)) {
            context.moveTo(Math.round(x(place)) + 0.5, 0);
            context.lineTo(Math.round(x(place)) + 0.5, size.height);
          }
          context.stroke();
          // Where a phase of the run begins, a line goes through all lanes.
          context.globalAlpha = 1;
          context.setLineDash([2, 4]);
          context.strokeStyle = colours.faint;
          context.beginPath();
          bars.forEach((bar, b) => {
            if (bar.kind !== 'phase') return;
            context.moveTo(x(barBegin[b]), 0);
            context.lineTo(x(barBegin[b]), size.height);
          });
          context.stroke();
          drawCauses(context);
          context.setLineDash([]);
          drawWaits(context);
        }

        // In order, seconds of waiting take no more room than microseconds: where much of the time in view passes between
        // two events, there is a grey column between them, with its length.
        function drawWaits(context) {
          const { first, inside } = ranksInView();
          if (axis !== 'order' || inside - first > 300) return;
          const much = Math.max((momentAt(view.to) - momentAt(view.from)) / 15, 1e6);
          for (let k = Math.max(1, first); k < Math.min(inside + 1, shown.length); k++) {
            const wait = time[shown[k]] - time[shown[k - 1]];
            if (wait < much) continue;
            context.fillStyle = colours.rule;
            context.globalAlpha = 0.5;
            context.fillRect(x(k - 1) + 1, 0, x(k) - x(k - 1) - 2, size.height);
            context.globalAlpha = 1;
            context.fillStyle = colours.faint;
            context.save();
            context.translate((x(k - 1) + x(k)) / 2, size.visible + scroller.scrollTop - 6);
            context.rotate(-Math.PI / 2);
            context.fillText(`+${duration(wait)}`, 0, 0);
            context.restore();
          }
        }

        // Faults and repairs concern more than their own lane: while they are few, they go through all lanes.
        function drawCauses(context) {
          const { first, inside } = ranksInView();
          const causes = shown.subarray(first, inside).filter(i => ['fault', 'repair'].includes(kindOf(i)));
          if (causes.length > 40) return;
          for (const i of causes) {
            context.strokeStyle = colours[kindOf(i)];
            context.beginPath();
            context.moveTo(x(at[i]), 0);
            context.lineTo(x(at[i]), size.height);
            context.stroke();
          }
        }

        // ---------------------------------------------------------------- Overview

        const overviewX = place => gutter + (place - extent[0]) / (extent[1] - extent[0]) * (size.width - gutter);
        const overviewPlace = x => extent[0] + (x - gutter) / (size.width - gutter) * (extent[1] - extent[0]);

        function drawOverview() {
          const context = fitCanvas(overview, size.width, overviewHeight + axisHeight);
          if (overviewIsStale) renderOverview();
          context.save();
          context.setTransform(1, 0, 0, 1, 0, 0);
          context.drawImage(overviewImage, 0, 0);
          context.restore();
          const begin = overviewX(view.from), end = Math.max(overviewX(view.to), begin + 3);
          context.fillStyle = colours.paper;
          context.globalAlpha = 0.6;
          context.fillRect(gutter, 0, begin - gutter, overviewHeight);
          context.fillRect(end, 0, size.width - end, overviewHeight);
          context.globalAlpha = 1;
          context.strokeStyle = colours.accent;
          context.lineWidth = 1.5;
          context.strokeRect(begin, 1, end - begin, overviewHeight - 2);
          context.fillStyle = colours.faint;
          context.fillText(axis === 'time' ? 'time, s' : 'order, s', 11, overviewHeight + axisHeight / 2);
          for (const [place, label] of ticks(tickRoom)) {
            if (x(place) < gutter) continue;
            const begin = Math.min(x(place) + 4, size.width - label.length * letter - 2);
            context.fillText(label, begin, overviewHeight + axisHeight / 2);
            context.fillRect(x(place), overviewHeight + 4, 1, axisHeight - 4);
          }
        }

        // How much happened where, and above it what matters; drawn anew only when other things are shown.
        function renderOverview() {
          overviewIsStale = false;
          overviewImage = document.createElement('canvas');
          const context = fitCanvas(overviewImage, size.width, overviewHeight);
          const columns = new Float64Array(Math.ceil(size.width / 2) + 1);
          for (const i of shown) columns[Math.round(overviewX(at[i]) / 2)]++;
          const most = columns.reduce((a, b) => Math.max(a, b), 1);
          context.fillStyle = colours.message;
          columns.forEach((n, c) => {
            const height = n ? Math.max(1.5, 26 * Math.sqrt(n / most)) : 0;
            context.fillRect(c * 2, overviewHeight - 2 - height, 2, height);
          });
          for (const i of shown) {
            const name = kindOf(i);
            if (name === 'mark' || !important.has(name)) continue;
            context.fillStyle = colours[name];
            context.fillRect(overviewX(at[i]) - 0.75, name === 'state' ? 7 : 2, 1.5, name === 'state' ? 6 : 9);
          }
          context.fillStyle = colours.state;
          if (filter.words.length) for (const i of shown) if (matches[i]) context.fillRect(overviewX(at[i]) - 1, 13, 2, 6);
          if (story.violation) {
            context.fillStyle = colours.bad;
            context.fillRect(overviewX(placeOf(story.violation.time)) - 1, 0, 2.5, overviewHeight);
          }
          context.fillStyle = colours.faint;
          context.fillText('whole run', 11, overviewHeight / 2);
        }

        // ---------------------------------------------------------------- Pointing

        // What is at a point of the scene: an event's sign, else its arrow, else a bar. Signs that matter win.
        function hitAt(px, py) {
          if (px < gutter) return null;
          const reach = 8, near = placeAt(px + reach) - placeAt(px);
          const first = firstIndex(0, shown.length, k => at[shown[k]] >= placeAt(px) - near);
          const behind = firstIndex(first, shown.length, k => at[shown[k]] > placeAt(px) + near);
          let best = null, others = 0;
          for (let k = first; k < behind; k++) {
            const i = shown[k], row = rows[lane[i]];
            if (!row || lost[i] || Math.abs(py - row.line) > reach) continue;
            others++;
            const far = Math.hypot(px - x(at[i]), py - row.line) - (important.has(kindOf(i)) ? 3 : 0);
            if (far <= reach && (!best || far < best.far)) best = { event: i, far };
          }
          if (best) return { event: best.event, others: others - 1 };
          for (const i of arrows) {
            const line = arrowOf(i);
            const far = line ? distance(px, py, line) : Infinity;
            if (far < 5 && (!best || far < best.far)) best = { event: i, far };
          }
          if (best) return { event: best.event, others: 0 };
          let hit = null;
          bars.forEach((bar, b) => {
            const row = rows[bar.lane];
            if (!row || px < x(barBegin[b]) - 1 || px > Math.max(x(barEnd[b]), x(barBegin[b]) + 2) + 1) return;
            const [y, height] = barPlace(bar, row);
            if (py < y || py > y + height) return;
            if (hit === null || lasting.has(bars[hit].kind) || !lasting.has(bar.kind)) hit = b;
          });
          return hit === null ? null : { bar: hit };
        }

        function distance(px, py, [x0, y0, x1, y1]) {
          const length = (x1 - x0) ** 2 + (y1 - y0) ** 2;
          const share = length ? Math.max(0, Math.min(1, ((px - x0) * (x1 - x0) + (py - y0) * (y1 - y0)) / length)) : 0;
          return Math.hypot(px - x0 - share * (x1 - x0), py - y0 - share * (y1 - y0));
        }

        let selected = -1, hovered = null, pointer = null;

        function drawOverlay() {
          const context = fitCanvas(overlay, size.width, size.height);
          context.save();
          context.beginPath();
          context.rect(gutter, 0, size.width - gutter, size.height);
          context.clip();
          if (pointer) {
            context.strokeStyle = colours.faint;
            context.globalAlpha = 0.5;
            context.beginPath();
            context.moveTo(Math.round(pointer.x) + 0.5, 0);
            context.lineTo(Math.round(pointer.x) + 0.5, size.height);
            context.stroke();
            context.globalAlpha = 1;
          }
          if (selected >= 0) emphasise(context, selected, colours.accent);
          if (hovered?.event >= 0) emphasise(context, hovered.event, colours.ink);
          context.restore();
        }

        function emphasise(context, i, colour) {
          if (rank[i] < 0) return;
          context.strokeStyle = context.fillStyle = colour;
          const line = arrowOf(i);
          if (line) strokeArrows(context, [line], lost[i], false, 2.2);
          const row = lost[i] ? rows[from[i]] : rows[lane[i]];
          if (!row) return;
          context.lineWidth = 2;
          context.beginPath();
          context.arc(x(lost[i] ? left[i] : at[i]), row.line, 9, 0, 7);
          context.stroke();
        }
        """#
}
