extension StoryPage {
    /// The story as a list beside the picture, what is known of one thing, and the legend.
    static let listScript = #"""
        // ---------------------------------------------------------------- Pieces of the document

        function make(name, attributes = {}, ...content) {
          const made = Object.assign(document.createElement(name), attributes);
          made.append(...content);
          return made;
        }

        const who = i => from[i] >= 0 && from[i] !== lane[i]
          ? `${visible(laneName(from[i]))}→${visible(laneName(lane[i]))}` : visible(laneName(lane[i]));

        // The facts of an event in one line; its text is told apart from them.
        function factsOf(i) {
          const name = kindOf(i);
          const parts = [lost[i] ? `${name}, lost` : name, who(i), `${seconds(time[i], 9)} s`];
          const took = time[i] - sent[i];
          if (from[i] >= 0 && took > 0) parts.push(`sent ${seconds(sent[i], 9)} s, took ${duration(took)}`);
          parts.push(`#${indexOf(i)}`);
          return parts.join(' · ');
        }

        function factsOfBar(bar) {
          const outcome = story.outcomes.find(([name]) => name === bar.outcome)?.[1] ?? 'no answer before the end';
          return [bar.kind, visible(laneName(bar.lane)), ...(bar.kind === 'operation' ? [outcome] : []),
            `${seconds(bar.begin)} – ${seconds(bar.end)} s`, duration(bar.end - bar.begin)].join(' · ');
        }

        const describe = (facts, text) => [make('div', { className: 'facts', textContent: facts }),
          make('pre', { textContent: text.length > 6000 ? visible(text.slice(0, 6000)) + '…' : visible(text) })];

        function describeHit(hit) {
          if (hit.bar !== undefined) return describe(factsOfBar(bars[hit.bar]), bars[hit.bar].text);
          const content = describe(factsOf(hit.event), textOf(hit.event));
          const others = `and ${hit.others} more at this place`;
          if (hit.others > 0) content.push(make('div', { className: 'facts', textContent: others }));
          return content;
        }

        // ---------------------------------------------------------------- The list

        // Of so many events only the rows in sight are in the document; they are filled anew as the list scrolls.
        const list = element('list'), rowBox = element('rows');
        const rowHeight = 20;
        // Browsers end an element after some millions of pixels; that is more rows than they open.
        let pool = [];

        function makeRow() {
          const cells = { when: make('span', { className: 'when' }), who: make('span', { className: 'who' }),
            sign: make('canvas'), what: make('span', { className: 'what' }) };
          const row = make('div', { className: 'row' }, cells.when, cells.sign, cells.who, cells.what);
          row.addEventListener('click', () => select(row.event, true));
          row.addEventListener('mouseenter', () => { hovered = { event: row.event, others: 0 }; refresh('overlay'); });
          row.addEventListener('mouseleave', () => { hovered = null; refresh('overlay'); });
          rowBox.append(row);
          return { row, cells, sign: '' };
        }

        function fillList() {
          const top = Math.max(0, Math.floor(list.scrollTop / rowHeight) - 2);
          const needed = Math.min(shown.length - top, Math.ceil(list.clientHeight / rowHeight) + 4);
          while (pool.length < needed) pool.push(makeRow());
          pool.forEach((entry, n) => {
            const hidden = n >= needed;
            entry.row.style.display = hidden ? 'none' : '';
            if (!hidden) fillRow(entry, top + n);
          });
        }

        function fillRow(entry, k) {
          const i = shown[k], { row, cells } = entry, name = kindOf(i);
          row.event = i;
          row.style.top = `${k * rowHeight}px`;
          row.className = ['row', at[i] >= view.from && at[i] <= view.to ? 'in' : '', matches[i] ? 'match' : '',
            i === selected ? 'selected' : '', name].join(' ');
          cells.when.textContent = seconds(time[i]);
          cells.who.textContent = who(i);
          const text = visible(textOf(i).slice(0, 300));
          cells.what.textContent = lost[i] ? `✕ lost: ${text}` : text;
          const sign = signOf(i);
          if (entry.sign === sign + scheme) return;
          entry.sign = sign + scheme;
          signIcon(sign, cells.sign);
        }

        // The list goes along with the view: to the chosen event where that is in view, else to the first one in view.
        function followView() {
          if (!shown.length) return;
          let k = rank[selected] ?? -1;
          if (k < 0 || at[selected] < view.from || at[selected] > view.to) {
            k = firstIndex(0, shown.length - 1, k => at[shown[k]] >= view.from);
            list.scrollTop = k * rowHeight;
          } else {
            revealRow(k);
          }
        }

        function revealRow(k) {
          const top = k * rowHeight;
          if (top < list.scrollTop || top > list.scrollTop + list.clientHeight - rowHeight) {
            list.scrollTop = top - list.clientHeight / 2;
          }
        }

        // Chooses an event; `moves` brings it into view where it is not.
        function select(i, moves) {
          selected = i;
          const detail = element('detail');
          detail.replaceChildren();
          if (i >= 0) {
            detail.append(...describe(factsOf(i), textOf(i)));
            detail.scrollTop = 0;
            if (moves && rank[i] >= 0 && (at[i] < view.from || at[i] > view.to)) {
              setView(at[i] - (view.to - view.from) / 2, at[i] + (view.to - view.from) / 2);
            }
            if (rank[i] >= 0) revealRow(rank[i]);
            const row = rows[lane[i]];
            if (moves && row && (row.top < scroller.scrollTop || row.bottom > scroller.scrollTop + size.visible)) {
              scroller.scrollTop = row.top - size.visible / 2;
            }
          }
          refresh('overlay', 'list', 'status');
        }

        // The next (or previous) event behind the chosen one, of all or of those the search found.
        function step(by, onlyMatches) {
          let k = rank[selected] ?? -1;
          if (k < 0) k = firstIndex(0, shown.length, k => at[shown[k]] >= view.from) - (by > 0 ? 1 : 0);
          do { k += by; } while (k >= 0 && k < shown.length && onlyMatches && !matches[shown[k]]);
          if (k >= 0 && k < shown.length) select(shown[k], true);
        }

        // The next (or previous) event on the lane of the chosen one.
        function along(by) {
          if (selected < 0 || rank[selected] < 0) return step(by);
          for (let k = rank[selected] + by; k >= 0 && k < shown.length; k += by) {
            if (lane[shown[k]] === lane[selected]) return select(shown[k], true);
          }
        }

        // ---------------------------------------------------------------- Legend and options

        function fillLegend() {
          const swatch = bar => {
            const canvas = make('canvas', { width: 34, height: 12 });
            paintBar(canvas.getContext('2d'), { text: '', ...bar }, 0, 0, 34, 12);
            return canvas;
          };
          const entry = (sign, name, meaning) => [make('dt', {}, sign, name), make('dd', { textContent: meaning })];
          const keys = [['wheel', 'zoom at the pointer'], ['drag, shift wheel', 'move'], ['+ − ↑ ↓', 'zoom'],
            ['← →', 'move'],
            ['f', 'everything'], ['v', 'to the violation'], ['o', 'axis: time or order'], ['j k', 'next, previous event'],
            ['/', 'search'], ['n N', 'next, previous hit'],
            ['[ ]', 'previous, next on the same lane'], ['c', 'what led to it: its cause'],
            ['l', 'list on and off'], ['Esc', 'choose nothing'],
            ['double click', 'a bar: zoom to it; a chip: only this one, or all again']];
          element('legendBox').replaceChildren(
            make('h2', { textContent: 'Events' }),
            make('dl', {}, ...story.kinds.flatMap(([name, meaning]) => entry(signIcon(name), name, meaning)),
              ...entry(signIcon('death'), 'life', 'the end of one'),
              ...entry(signIcon('fault'), 'lost', 'a message, at the end of a broken arrow')),
            make('h2', { textContent: 'Bars (roles have the colour of their term or epoch)' }),
            make('dl', {}, ...story.barKinds.filter(([name]) => name !== 'operation').flatMap(([name, meaning]) =>
              entry(swatch({ kind: name }), name, meaning)),
              ...story.outcomes.flatMap(([name, meaning]) =>
                entry(swatch({ kind: 'operation', outcome: name }), 'operation', meaning)),
              ...entry(swatch({ kind: 'operation' }), 'operation', 'no answer before the end')),
            ...(story.legend.length ? [make('h2', { textContent: 'Words of this run' }), make('dl', { className: 'wide' },
              ...story.legend.flatMap(([term, meaning]) => entry('', visible(term), visible(meaning))))] : []),
            make('h2', { textContent: 'Keys' }),
            make('dl', {}, ...keys.flatMap(([key, meaning]) => [make('dt', {}, make('kbd', { textContent: key })),
              make('dd', { textContent: meaning })])));
        }
        """#
}
