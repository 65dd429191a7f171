extension StoryPage {
    /// Colours are named once, for light and dark; the canvas asks for them by the same names.
    static let style = #"""
        :root {
          color-scheme: light dark;
          --paper: light-dark(#ffffff, #15181d); --panel: light-dark(#f3f4f6, #1e2228);
          --stripe: light-dark(#f8f9fb, #1a1d23); --rule: light-dark(#d9dce1, #343a43);
          --ink: light-dark(#1b1f24, #e3e6ea); --faint: light-dark(#69707a, #949ca8);
          --accent: light-dark(#1f5fd0, #6ea8fe); --hit: light-dark(#ffd84d, #8a6d00);
          --bad: light-dark(#c8102e, #ff5c6c); --badPaper: light-dark(#fdecee, #3a1a1f);
          --step: light-dark(#8a919c, #78808c); --message: light-dark(#4c72a8, #7c9fd0);
          --link: light-dark(#8a6fb0, #a990cf); --call: light-dark(#00857a, #35bdae);
          --answer: light-dark(#00857a, #35bdae); --disk: light-dark(#8b6a3f, #c09a66);
          --timer: light-dark(#8a919c, #78808c); --zooKeeper: light-dark(#7d4fb3, #b48be6);
          --log: light-dark(#3b424c, #b8c0ca); --life: light-dark(#1b1f24, #f0f2f5);
          --fault: light-dark(#c8102e, #ff5c6c); --repair: light-dark(#1f8a3b, #4cc46a);
          --state: light-dark(#b35900, #ffa640); --mark: light-dark(#a0509a, #d989d3);
          --death: light-dark(#c8102e, #ff5c6c); --violation: light-dark(#c8102e, #ff5c6c);
          --down: light-dark(#555c66, #6b7380); --paused: light-dark(#c98a00, #d9a32e);
          --cut: light-dark(#d6455d, #e0566c); --slow: light-dark(#d98a3d, #c78142);
          --diskFault: light-dark(#8b6a3f, #b08a58); --outage: light-dark(#c8102e, #d84a5a);
          --phase: light-dark(#cfd4db, #3b424c); --learner: light-dark(#b9c0ca, #4a525d);
          --ok: light-dark(#3f9a5a, #3f9a5a); --notDone: light-dark(#9aa1ab, #6a727d);
          --unknown: light-dark(#e08a00, #e0992b); --open: light-dark(#4c72a8, #7c9fd0);
          --term0: light-dark(#2f6fd6, #3f7ee0); --term1: light-dark(#c2571a, #cf6a2e);
          --term2: light-dark(#2c8a5b, #2f9463); --term3: light-dark(#8a46b8, #9a58c8);
          --term4: light-dark(#b3306b, #c2447d); --term5: light-dark(#557a00, #688f12);
        }
        * { box-sizing: border-box; }
        html, body { height: 100%; margin: 0; }
        body {
          display: flex; flex-direction: column; background: var(--paper); color: var(--ink);
          font: 13px/1.4 system-ui, sans-serif; overflow: hidden;
        }
        code, pre, #list, #detail pre, #tip pre, #status {
          font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 12px;
        }
        header { padding: 8px 12px 6px; }
        h1 { display: inline; font-size: 16px; margin: 0 12px 0 0; unicode-bidi: isolate; }
        #facts { color: var(--faint); }
        #again {
          display: block; color: var(--faint); cursor: copy; overflow: hidden; text-overflow: ellipsis;
          white-space: nowrap;
        }
        #again:hover { color: var(--accent); }
        #verdict { margin-top: 4px; }
        #verdict.broken {
          background: var(--badPaper); border-left: 5px solid var(--bad); padding: 5px 10px; cursor: pointer;
          max-height: 7.5em; overflow: auto;
        }
        #verdict b { color: var(--bad); font-size: 14px; }
        #verdict pre { margin: 2px 0 0; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; }
        #verdict.whole { color: var(--repair); }
        nav {
          display: flex; flex-wrap: wrap; gap: 5px 14px; align-items: center; padding: 5px 12px;
          background: var(--panel); border-block: 1px solid var(--rule);
        }
        .group { display: inline-flex; gap: 5px; align-items: center; }
        .group.end { margin-left: auto; }
        .chips { flex-basis: 100%; display: flex; flex-wrap: wrap; gap: 3px; align-items: center; }
        button, input[type=search] {
          font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--rule); border-radius: 5px;
          padding: 1px 8px; min-height: 24px;
        }
        button { cursor: pointer; }
        button:hover { border-color: var(--accent); }
        button:disabled { opacity: .4; cursor: default; }
        #search { width: 210px; }
        #found { color: var(--faint); min-width: 70px; }
        .chip {
          display: inline-flex; align-items: center; gap: 4px; padding: 0 7px; min-height: 21px; border-radius: 11px;
          font-size: 12px;
        }
        .chip.off { opacity: .45; text-decoration: line-through; background: transparent; }
        .chip .n { color: var(--faint); }
        .chip i { width: 9px; height: 9px; border-radius: 50%; }
        main { flex: 1; display: flex; min-height: 0; }
        #picture { flex: 1; display: flex; flex-direction: column; min-width: 200px; }
        #overview { height: 64px; width: 100%; flex: none; cursor: ew-resize; }
        #scroller { flex: 1; position: relative; overflow: hidden scroll; min-height: 0; }
        #scene, #overlay { position: absolute; left: 0; top: 0; }
        #overlay { cursor: crosshair; }
        #overlay.dragging { cursor: grabbing; }
        #status {
          flex: none; padding: 2px 8px; color: var(--faint); border-top: 1px solid var(--rule); white-space: nowrap;
          overflow: hidden; min-height: 22px;
        }
        #splitter {
          flex: none; width: 6px; cursor: col-resize; background: var(--panel); border-inline: 1px solid var(--rule);
        }
        aside { width: 36%; min-width: 0; display: flex; flex-direction: column; flex: none; }
        aside.hidden { display: none; }
        #list { flex: 1; overflow: hidden scroll; position: relative; outline: none; min-height: 60px; }
        #rows { position: relative; }
        .row {
          position: absolute; left: 0; right: 0; height: 20px; line-height: 20px; display: flex; gap: 7px; padding: 0 6px;
          white-space: pre; cursor: default; border-left: 3px solid transparent; opacity: .5;
        }
        .row.in { opacity: 1; border-left-color: var(--accent); }
        .row:hover { background: var(--panel); opacity: 1; }
        .row.selected { background: light-dark(#dbe8ff, #24395c); opacity: 1; }
        .row.match .what { background: var(--hit); }
        .row.violation .what { color: var(--bad); font-weight: 600; }
        .row .when { color: var(--faint); }
        .row .who { width: 13ch; overflow: hidden; text-overflow: ellipsis; flex: none; }
        .row canvas { width: 14px; height: 14px; flex: none; margin-top: 3px; }
        .row .what { overflow: hidden; text-overflow: ellipsis; unicode-bidi: plaintext; }
        #detail {
          flex: none; max-height: 38%; overflow: auto; border-top: 1px solid var(--rule); padding: 6px 10px;
          background: var(--panel);
        }
        #detail:empty { display: none; }
        #detail pre, #tip pre {
          margin: 3px 0 0; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext;
        }
        .facts { color: var(--faint); }
        #tip {
          position: fixed; display: none; z-index: 5; max-width: 560px; max-height: 60vh; overflow: hidden;
          pointer-events: none;
          padding: 6px 9px; background: var(--paper); border: 1px solid var(--faint); border-radius: 6px;
          box-shadow: 0 3px 14px #0005;
        }
        dialog {
          max-width: 900px; max-height: 85vh; color: inherit; background: var(--paper);
          border: 1px solid var(--faint); border-radius: 8px;
        }
        dialog::backdrop { background: #0006; }
        dialog h2 { font-size: 14px; margin: 10px 0 4px; }
        dialog pre { white-space: pre-wrap; overflow-wrap: anywhere; }
        dialog dl {
          display: grid; grid-template-columns: max-content auto max-content auto; gap: 2px 10px; margin: 0;
          align-items: center;
        }
        dialog dl.wide { grid-template-columns: max-content auto; }
        dialog dt { display: flex; gap: 6px; align-items: center; font-weight: 600; }
        dialog dd { margin: 0; color: var(--faint); }
        kbd {
          font: 11px ui-monospace, monospace; border: 1px solid var(--rule); border-radius: 3px; padding: 0 4px;
          background: var(--panel);
        }
        """#
}
