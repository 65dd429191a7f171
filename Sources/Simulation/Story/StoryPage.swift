/// A story as one page that needs nothing else: no network, no other file, no library.
///
/// A lane per node, time from left to right; messages are arrows, roles and troubles are bars, and what else happens is a
/// sign on its lane. Beside the picture stands the same as a list. The page opens at what broke the invariant.
///
/// It is drawn on a canvas, and only what is in view, found by binary search; where more happened than there are pixels,
/// things that would cover each other are drawn once. So 10,000 events are redrawn within a frame or two, and 100,000 still
/// open. Two axes: *time*, and *order*, in which every event is as far from the next, so that microseconds of work
/// between seconds of waiting can be read. Short stories open in order.
public enum StoryPage {
    public static func html(_ story: Story) -> String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <meta http-equiv="Content-Security-Policy"
            content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
        <title>\(escaped(story.title))</title>
        <style>
        \(style)
        </style>
        </head>
        <body>
        \(skeleton)
        <script id="data" type="application/json">\(StoryData.json(story))</script>
        <script>
        'use strict';
        (() => {
        \(modelScript)
        \(signScript)
        \(drawingScript)
        \(axisScript)
        \(listScript)
        \(controlScript)
        })();
        </script>
        </body>
        </html>

        """
    }

    /// Text for a place between tags.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}"..."\u{202E}": escaped += " "
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    static let skeleton = #"""
        <header>
          <div class="title"><h1></h1><span id="facts"></span></div>
          <code id="again" title="The line that runs it again: click to copy"></code>
          <div id="verdict"></div>
        </header>
        <nav>
          <span class="group">
            <input id="search" type="search" placeholder="Search  ( / )" spellcheck="false">
            <span id="found"></span>
            <label title="Leave out what the search does not find"><input id="only" type="checkbox">only these</label>
            <label title="Show steps, too, at which a process neither sent nor logged nor became anything"><input
              id="quiet" type="checkbox"></label>
          </span>
          <span class="group">
            <button id="axis" title="Time, or the order of events with equal distances (o)"></button>
            <button id="out" title="Zoom out (−)">−</button>
            <button id="in" title="Zoom in (+)">+</button>
            <button id="fit" title="Everything (f)">all</button>
            <button id="broken" title="To where the invariant broke (v)">violation</button>
          </span>
          <span class="group end">
            <button id="scheme" title="Light, dark, or as the system has it">◐</button>
            <button id="options" title="The expanded options of the run">options</button>
            <button id="help" title="Legend and keys (?)">legend</button>
          </span>
          <span class="chips" id="lanes"></span>
          <span class="chips" id="kinds"></span>
        </nav>
        <main>
          <section id="picture">
            <canvas id="overview"></canvas>
            <div id="scroller"><canvas id="scene"></canvas><canvas id="overlay"></canvas></div>
            <div id="status"></div>
          </section>
          <div id="splitter" title="Drag: more room for one or the other. Double click: hide the list (l)"></div>
          <aside>
            <div id="list" tabindex="0"><div id="rows"></div></div>
            <div id="detail"></div>
          </aside>
        </main>
        <div id="tip"></div>
        <dialog id="legendBox"></dialog>
        <dialog id="optionsBox"></dialog>
        <noscript>This page draws its picture with JavaScript, which is switched off here.</noscript>
        """#
}
