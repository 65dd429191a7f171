extension StoryPage {
    /// Redrawing, the controls, keys and pointer, and `window.story` for tests and the console.
    static let controlScript = #"""
        // ---------------------------------------------------------------- Redrawing

        // What changed is drawn once, before the next frame.
        const stale = new Set();
        let frame = 0, redrawMillis = 0;

        function refresh(...parts) {
          parts.forEach(part => stale.add(part));
          if (!frame) frame = requestAnimationFrame(redraw);
        }

        function redraw() {
          cancelAnimationFrame(frame);
          frame = 0;
          const begin = performance.now();
          if (stale.has('scene')) { drawScene(); drawOverview(); }
          if (stale.has('scene') || stale.has('overlay')) drawOverlay();
          if (stale.has('scene')) redrawMillis = performance.now() - begin;
          if (stale.has('list')) fillList();
          drawStatus();
          stale.clear();
        }

        const viewChanged = () => { followView(); refresh('scene', 'list'); };

        function drawStatus() {
          const parts = [];
          if (pointer) {
            const moment = momentAt(placeAt(pointer.x));
            parts.push(`${seconds(moment)} s`);
            if (selected >= 0) parts.push(`Δ ${duration(moment - time[selected])} from #${indexOf(selected)}`);
          }
          const { first, inside } = ranksInView();
          parts.push(`${(inside - first).toLocaleString('en')} of ${shown.length.toLocaleString('en')} events in view`);
          parts.push(`${duration(momentAt(view.to) - momentAt(view.from))} wide`);
          if (drawn.stride > 1) parts.push(`1 in ${drawn.stride} arrows drawn: zoom in for all`);
          parts.push(`${redrawMillis.toFixed(0)} ms`);
          element('status').textContent = parts.join(' · ');
        }

        function shownChanged() {
          const [from, to, wasAll] = [momentAt(view.from), momentAt(view.to), view.from <= extent[0] && view.to >= extent[1]];
          refilter();
          layOut();
          fillChips();
          if (wasAll) fit(); else if (axis === 'order') setView(placeOf(from), placeOf(to)); else setView(view.from, view.to);
          const found = [`${matchCount.toLocaleString('en')} found`];
          if (shownMatches < matchCount) found.push(`${shownMatches.toLocaleString('en')} shown`);
          element('found').textContent = filter.words.length ? found.join(', ') : '';
        }

        // ---------------------------------------------------------------- Header and chips

        function fillHeader() {
          document.querySelector('h1').textContent = visible(story.title);
          const ends = { ok: 0, notDone: 0, unknown: 0, open: 0 };
          for (const bar of bars) if (bar.kind === 'operation') ends[bar.outcome ?? 'open']++;
          const lostCount = lost.reduce((sum, one) => sum + one, 0);
          element('facts').textContent = [`seed ${story.seed}`, `${seconds(story.end, 3)} s`,
            `${count.toLocaleString('en')} events`, `${lostCount.toLocaleString('en')} messages lost`,
            `operations: ${ends.ok} ok, ${ends.notDone} not done, ${ends.unknown} unknown`
              + (ends.open ? `, ${ends.open} open` : '')].join(' · ');
          const quietCount = quiet.reduce((sum, one) => sum + one, 0);
          element('quiet').parentElement.append(`${quietCount.toLocaleString('en')} quiet steps`);
          element('again').textContent = visible(story.again);
          const verdict = element('verdict'), broken = story.violation;
          verdict.className = broken ? 'broken' : 'whole';
          verdict.replaceChildren(...(broken
            ? [make('b', { textContent: `BROKEN: ${visible(broken.invariant)}` }), ` at ${seconds(broken.time)} s`,
              make('pre', { textContent: visible(broken.detail) })]
            : ['No invariant was broken.']));
          element('optionsBox').replaceChildren(make('h2', { textContent: 'Options of this run' }),
            make('pre', { textContent: story.plan.split('\n').map(visible).join('\n') }));
        }

        // One chip for each lane and each kind that occurs: a click switches it, a double click leaves it alone.
        function fillChips() {
          const chip = (on, list, n, number, ...content) => {
            const title = 'Double click: only this one, or all again';
            const made = make('button', { className: `chip ${on ? '' : 'off'}`, title }, ...content,
              make('span', { className: 'n', textContent: number.toLocaleString('en') }));
            made.addEventListener('click', event => switchChip(list, n, event.shiftKey));
            made.addEventListener('dblclick', () => switchChip(list, n, true));
            return made;
          };
          element('lanes').replaceChildren(...story.lanes.map(([name, kind], l) => {
            const dot = make('i');
            dot.style.background = laneColour(kind);
            return chip(filter.lanes[l], filter.lanes, l, perLane[l], dot, visible(name));
          }));
          element('kinds').replaceChildren(...story.kinds.flatMap(([name], k) => perKind[k]
            ? [chip(filter.kinds[k], filter.kinds, k, perKind[k], signIcon(name), name)] : []));
        }
        const perLane = story.lanes.map(() => 0), perKind = story.kinds.map(() => 0);
        for (let i = 0; i < count; i++) { perLane[lane[i]]++; perKind[kind[i]]++; }

        function switchChip(list, n, alone) {
          if (alone) {
            const isAlone = list[n] && list.every((on, other) => on === (other === n));
            list.forEach((_, other) => { list[other] = isAlone || other === n; });
          } else {
            list[n] = !list[n];
          }
          shownChanged();
        }

        let scheme = '';
        function setScheme(name) {
          scheme = name;
          document.documentElement.style.colorScheme = name || 'light dark';
          readColours();
          overviewIsStale = true;
          fillChips();
          fillLegend();
          refresh('scene', 'list');
        }

        // ---------------------------------------------------------------- Controls

        const click = (id, action) => element(id).addEventListener('click', action);
        function switchAxis() {
          setAxis(axis === 'time' ? 'order' : 'time');
          nameAxis();
        }
        const nameAxis = () => { element('axis').textContent = `axis: ${axis}`; };
        click('axis', switchAxis);
        click('in', () => zoom(1.6));
        click('out', () => zoom(1 / 1.6));
        click('fit', fit);
        click('broken', toViolation);
        click('verdict', () => story.violation && toViolation());
        click('scheme', () => setScheme({ '': 'dark', dark: 'light', light: '' }[scheme]));
        click('help', () => element('legendBox').showModal());
        click('options', () => element('optionsBox').showModal());
        click('again', () => navigator.clipboard?.writeText(story.again).catch(() => {}));
        for (const box of document.querySelectorAll('dialog')) {
          box.addEventListener('click', event => { if (event.target === box) box.close(); });
        }
        element('broken').disabled = !story.violation;

        let typing = 0;
        element('search').addEventListener('input', event => {
          clearTimeout(typing);
          typing = setTimeout(() => { search(event.target.value); shownChanged(); }, 120);
        });
        element('only').addEventListener('change', event => { filter.only = event.target.checked; shownChanged(); });
        element('quiet').addEventListener('change', event => { filter.quiet = event.target.checked; shownChanged(); });
        list.addEventListener('scroll', () => refresh('list'));

        function toggleList() {
          document.querySelector('aside').classList.toggle('hidden');
        }
        const splitter = element('splitter');
        splitter.addEventListener('dblclick', toggleList);
        splitter.addEventListener('pointerdown', event => splitter.setPointerCapture(event.pointerId));
        splitter.addEventListener('pointermove', event => {
          if (event.buttons) document.querySelector('aside').style.width = `${Math.max(120, innerWidth - event.clientX - 3)}px`;
        });

        const keys = {
          '+': () => zoom(1.6), '=': () => zoom(1.6), w: () => zoom(1.6), ArrowUp: () => zoom(1.6),
          '-': () => zoom(1 / 1.6), s: () => zoom(1 / 1.6), ArrowDown: () => zoom(1 / 1.6),
          ArrowLeft: () => pan(-0.2), a: () => pan(-0.2), ArrowRight: () => pan(0.2), d: () => pan(0.2),
          Home: () => pan(-1e9), End: () => pan(1e9),
          f: fit, v: toViolation, o: switchAxis, j: () => step(1), k: () => step(-1),
          n: () => step(1, filter.words.length > 0), N: () => step(-1, filter.words.length > 0),
          c: () => selected >= 0 && causeOf(selected) >= 0 && select(causeOf(selected), true),
          '[': () => along(-1), ']': () => along(1), l: toggleList,
          '?': () => element('legendBox').showModal(), Escape: () => select(-1),
          '/': () => element('search').focus(),
        };
        addEventListener('keydown', event => {
          if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
          if (event.target.id === 'search') {
            if (event.key === 'Escape') event.target.blur();
            if (event.key === 'Enter') step(event.shiftKey ? -1 : 1, true);
            return;
          }
          const action = keys[event.key];
          if (!action) return;
          event.preventDefault();
          action();
        });

        // ---------------------------------------------------------------- The pointer

        overlay.addEventListener('wheel', event => {
          event.preventDefault();
          const lines = event.deltaMode === 1 ? 16 : 1;
          const [across, along] = [event.deltaX * lines, event.deltaY * lines];
          if (event.shiftKey || Math.abs(across) > Math.abs(along)) pan((across || along) / size.width);
          else zoom(Math.exp(-along / 400), placeAt(Math.max(gutter, event.offsetX)));
        }, { passive: false });

        let grip = null;
        overlay.addEventListener('pointerdown', event => {
          grip = { x: event.clientX, y: event.clientY, from: view.from, to: view.to, scroll: scroller.scrollTop, moved: false };
          overlay.setPointerCapture(event.pointerId);
        });
        overlay.addEventListener('pointermove', event => {
          pointer = { x: event.offsetX, y: event.offsetY };
          if (grip && event.buttons) {
            const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
            if (!grip.moved && Math.hypot(dx, dy) < 4) return;
            grip.moved = true;
            overlay.classList.add('dragging');
            showTip(null);
            const shift = dx / (size.width - gutter) * (grip.to - grip.from);
            scroller.scrollTop = grip.scroll - dy;
            setView(grip.from - shift, grip.to - shift);
            return;
          }
          hovered = hitAt(pointer.x, pointer.y);
          showTip(hovered, event);
          refresh('overlay');
        });
        overlay.addEventListener('pointerup', event => {
          const wasClick = grip && !grip.moved;
          grip = null;
          overlay.classList.remove('dragging');
          if (!wasClick) return;
          const hit = hitAt(event.offsetX, event.offsetY);
          select(hit?.event ?? -1);
          if (hit?.bar !== undefined) element('detail').replaceChildren(...describeHit(hit));
        });
        overlay.addEventListener('dblclick', event => {
          const hit = hitAt(event.offsetX, event.offsetY);
          if (hit?.bar === undefined) return zoom(3, placeAt(event.offsetX));
          const [begin, end] = [barBegin[hit.bar], barEnd[hit.bar]];
          setView(begin - (end - begin) * 0.1, end + (end - begin) * 0.1);
        });
        overlay.addEventListener('pointerleave', () => { pointer = hovered = null; showTip(null); refresh('overlay'); });

        function showTip(hit, event) {
          const tip = element('tip');
          tip.style.display = hit ? 'block' : 'none';
          if (!hit) return;
          tip.replaceChildren(...describeHit(hit));
          const box = tip.getBoundingClientRect();
          tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8))}px`;
          const below = event.clientY + 18;
          tip.style.top = `${below + box.height < innerHeight ? below : Math.max(4, event.clientY - box.height - 12)}px`;
        }

        // In the overview: a press brings the view there, a drag takes it along.
        const toPointer = event => {
          const middle = overviewPlace(event.offsetX), half = (view.to - view.from) / 2;
          setView(middle - half, middle + half);
        };
        overview.addEventListener('pointerdown', event => { overview.setPointerCapture(event.pointerId); toPointer(event); });
        overview.addEventListener('pointermove', event => { if (event.buttons) toPointer(event); });
        overview.addEventListener('wheel', event => {
          event.preventDefault();
          zoom(Math.exp(-event.deltaY / 400), overviewPlace(event.offsetX));
        }, { passive: false });

        // ---------------------------------------------------------------- Beginning

        // At once, not in the next frame: else the page flickers while it is resized.
        new ResizeObserver(() => { measure(); stale.add('scene'); redraw(); }).observe(scroller);
        new ResizeObserver(fillList).observe(list);
        matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => setScheme(scheme));

        fillHeader();
        refilter();
        measure();
        setScheme('');
        nameAxis();
        toViolation();
        if (story.violation) {
          const behind = firstIndex(0, shown.length, k => time[shown[k]] > story.violation.time);
          const own = shown.subarray(Math.max(0, behind - 64), behind).findLast(i => story.kinds[kind[i]][0] === 'violation');
          const last = own ?? (behind ? shown[behind - 1] : -1);
          select(last, false);
        }
        redraw();

        // For tests, and for whoever wants to ask the page something in the browser's console.
        window.story = {
          counts: () => ({ events: count, shown: shown.length, matches: matchCount, bars: bars.length,
            inView: (({ first, inside }) => inside - first)(ranksInView()), ...drawn }),
          view: () => ({ axis, ...view, fromTime: momentAt(view.from), toTime: momentAt(view.to), extent: [...extent] }),
          selected: () => selected,
          setQuiet: on => { filter.quiet = element('quiet').checked = on; shownChanged(); }, causeOf,
          setView, fit, zoom, pan, toViolation, setAxis: name => { setAxis(name); nameAxis(); }, select, step, setScheme,
          setKinds: names => { filter.kinds = story.kinds.map(([name]) => !names || names.includes(name)); shownChanged(); },
          setLanes: names => { filter.lanes = story.lanes.map(([name]) => !names || names.includes(name)); shownChanged(); },
          search: (text, only = false) => { filter.only = only; search(text); shownChanged(); },
          pointOf: i => ({ x: x(at[i]), y: rows[lane[i]]?.line }),
          textAt: (x, y) => {
            const hit = hitAt(x, y);
            return hit && describeHit(hit).map(part => part.textContent).join('\n');
          },
          rows: () => pool.filter(({ row }) => row.style.display !== 'none').map(({ row }) => row.textContent),
          // Draws everything now and waits until the pixels are there; gives the milliseconds.
          redraw: () => {
            const begin = performance.now();
            refresh('scene', 'overlay', 'list');
            redraw();
            for (const canvas of [scene, overview, overlay]) canvas.getContext('2d').getImageData(0, 0, 1, 1);
            return performance.now() - begin;
          },
        };
        """#
}
