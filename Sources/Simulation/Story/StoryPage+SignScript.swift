extension StoryPage {
    /// The sign of each kind of event, its colour, and those of bars: for the picture, the list and the legend.
    static let signScript = #"""
        // ---------------------------------------------------------------- Colours and signs

        // Canvas wants plain colours: an element is asked what each name means in the scheme of the moment.
        let colours = {};
        const colourNames = ['paper', 'panel', 'stripe', 'rule', 'ink', 'faint', 'accent', 'hit', 'bad', 'open', 'death',
          ...story.kinds.map(k => k[0]), ...story.barKinds.map(k => k[0]), ...story.outcomes.map(o => o[0]),
          'term0', 'term1', 'term2', 'term3', 'term4', 'term5'];

        function readColours() {
          const probe = document.body.appendChild(document.createElement('i'));
          colours = {};
          for (const name of colourNames) {
            probe.style.color = '';
            probe.style.color = `var(--${name})`;
            colours[name] = getComputedStyle(probe).color;
          }
          probe.remove();
        }

        // A term or epoch has the same colour wherever its number stands in the text of a bar.
        function barColour(bar) {
          if (bar.kind === 'operation') return colours[bar.outcome ?? 'open'];
          if (['primary', 'standby', 'master'].includes(bar.kind)) {
            const number = /(?:term|epoch)\D{0,3}(\d+)/i.exec(bar.text)?.[1] ?? 0;
            return colours[`term${Number(number) % 6}`];
          }
          return colours[bar.kind];
        }

        // Each sign is a path around (0, 0), about 10 across; the second word says how it is drawn.
        const polygon = (...points) => context => {
          points.forEach(([x, y], n) => n ? context.lineTo(x, y) : context.moveTo(x, y));
          context.closePath();
        };
        const strokes = (...lines) => context => {
          for (const [x0, y0, x1, y1] of lines) { context.moveTo(x0, y0); context.lineTo(x1, y1); }
        };
        const circle = radius => context => { context.moveTo(radius, 0); context.arc(0, 0, radius, 0, 7); };
        const signs = {
          step: [circle(2), 'fill'],
          message: [circle(2.6), 'fill'],
          link: [strokes([-4, 0, 4, 0], [-4, -3, -4, 3], [4, -3, 4, 3]), 'stroke'],
          call: [polygon([-3.5, -4], [4, 0], [-3.5, 4]), 'fill'],
          answer: [polygon([3.5, -4], [-4, 0], [3.5, 4]), 'stroke'],
          disk: [polygon([-3, -3], [3, -3], [3, 3], [-3, 3]), 'fill'],
          timer: [circle(3), 'stroke'],
          zooKeeper: [polygon([0, -4.5], [4.5, 0], [0, 4.5], [-4.5, 0]), 'fill'],
          log: [strokes([-4, -3, 4, -3], [-4, 0, 4, 0], [-4, 3, 1, 3]), 'stroke'],
          life: [polygon([0, -5.5], [5, 4], [-5, 4]), 'fill'],
          death: [polygon([0, 5.5], [5, -4], [-5, -4]), 'fill'],
          fault: [strokes([-4.5, -4.5, 4.5, 4.5], [-4.5, 4.5, 4.5, -4.5]), 'bold'],
          repair: [strokes([-5, 0, 5, 0], [0, -5, 0, 5]), 'bold'],
          state: [polygon([0, -6], [1.6, -1.9], [5.7, -1.9], [2.4, 0.7], [3.5, 4.9], [0, 2.4], [-3.5, 4.9], [-2.4, 0.7],
            [-5.7, -1.9], [-1.6, -1.9]), 'fill'],
          mark: [circle(4), 'stroke'],
          violation: [polygon([-3, -7], [3, -7], [7, -3], [7, 3], [3, 7], [-3, 7], [-7, 3], [-7, -3]), 'fill'],
        };
        // What matters is drawn over the rest, and never left out where it is dense.
        const important = new Set(['life', 'death', 'fault', 'repair', 'state', 'mark', 'violation']);

        function drawSign(context, name, x, y) {
          const [path, way] = signs[name];
          context.save();
          context.translate(x, y);
          context.beginPath();
          path(context);
          if (way === 'fill') {
            context.fillStyle = colours[name];
            context.fill();
          } else {
            context.strokeStyle = colours[name];
            context.lineWidth = way === 'bold' ? 2.2 : 1.3;
            context.stroke();
          }
          context.restore();
        }

        // A small canvas with the sign of a kind.
        function signIcon(name, canvas = document.createElement('canvas')) {
          const scale = devicePixelRatio || 1;
          canvas.width = canvas.height = Math.round(16 * scale);
          canvas.style.width = canvas.style.height = '14px';
          const context = canvas.getContext('2d');
          context.scale(scale, scale);
          drawSign(context, name, 8, 8);
          return canvas;
        }

        // The area of a bar: plain, hatched for what lasts over the whole lane, pale for the lesser roles.
        function paintBar(context, bar, x, y, width, height) {
          const colour = barColour(bar);
          context.fillStyle = context.strokeStyle = colour;
          context.lineWidth = 1;
          const pale = { down: 0.16, paused: 0.16, standby: 0.26, slow: 0.6, learner: 0.7 }[bar.kind] ?? 0.9;
          context.globalAlpha = pale;
          context.fillRect(x, y, width, height);
          if (lasting.has(bar.kind) || bar.outcome === 'unknown') {
            context.globalAlpha = bar.kind === 'down' ? 0.55 : 0.45;
            if (bar.outcome === 'unknown') context.strokeStyle = colours.ink;
            const step = bar.kind === 'down' ? 6 : 9, lean = bar.kind === 'paused' ? 0 : height;
            context.save();
            context.beginPath();
            context.rect(x, y, width, height);
            context.clip();
            context.beginPath();
            for (let at = x - (x % step) - lean; at < x + width; at += step) {
              context.moveTo(at, y + height);
              context.lineTo(at + lean, y);
            }
            context.stroke();
            context.restore();
          }
          context.globalAlpha = 1;
          if (bar.kind === 'operation' && !bar.outcome || bar.kind === 'standby') {
            context.strokeStyle = colour;
            context.strokeRect(x + 0.5, y + 0.5, Math.max(0, width - 1), height - 1);
          }
        }
        """#
}
