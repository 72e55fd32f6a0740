// Elements, made of text only: nothing that a model or a server wrote is ever read as HTML.

const SVG = 'http://www.w3.org/2000/svg'

export const make = (tag, props, ...children) => fill(document.createElement(tag), props, children)
export const draw = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children)

const none = (value) => (value ?? false) === false

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (none(value)) continue
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else if (name === 'style') Object.assign(element.style, value)
    else element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children.flat(9).filter((child) => !none(child)))
  return element
}

export function put(element, ...children) {
  element.replaceChildren()
  fill(element, null, children)
}

export const button = (text, onclick, props) => make('button', { type: 'button', onclick, ...props }, text)
export const div = (kind, ...children) => make('div', kind && { class: kind }, children)
export const strong = (text) => make('strong', null, text)
export const note = (...text) => make('p', { class: 'vw-note' }, text)
export const fault = (text, props) => make('p', { class: 'vw-error', ...props }, text)
export const list = (kind, items, item = (one) => one) => make('ul', { class: kind }, items.map((one) => make('li', null, item(one))))

export const table = (props, heads, rows) =>
  make('table', props, make('thead', null, make('tr', null, heads)), make('tbody', null, rows))

// A line that a screen reader speaks when it changes.
export const status = () => make('p', { class: 'vw-status', role: 'status' })

export const MARGIN = 6 // of a panel within its node
export const frame = (kind) => make('section', { class: `vw-panel vw-${kind}`, 'data-panel': kind })

// What a panel shows has changed: one that it is too much for wants to be higher.
export function fitted(panel, resized) {
  const { scrollHeight, clientHeight } = panel.element
  const height = scrollHeight + 2 * MARGIN
  if (scrollHeight <= clientHeight || height === panel.height) return
  panel.height = height
  resized()
}

// Is a value another than before? What stays is not drawn anew, and its button keeps the focus.
export function changes() {
  let last
  return (...value) => last !== (last = JSON.stringify(value))
}

// Tabs by the ARIA pattern: arrows move between them, Tab goes on into the page that `show(name)` gives. One must be chosen.
export function tabs(names, label, show) {
  const body = make('div', { class: 'vw-tabpanel', role: 'tabpanel', tabindex: 0 })
  const heads = Object.entries(names).map(([name, text]) =>
    make('button', { type: 'button', role: 'tab', 'data-tab': name, onclick: () => choose(name, true) }, text)
  )
  const list = make('div', { class: 'vw-tabs', role: 'tablist', 'aria-label': label, onkeydown: move }, heads)
  let chosen

  // `show` is told whether a person has chosen
  function choose(name, picked) {
    chosen = name
    for (const head of heads) {
      const now = head.dataset.tab === name
      head.setAttribute('aria-selected', now)
      head.tabIndex = now ? 0 : -1
    }
    body.setAttribute('aria-label', names[name])
    body.replaceChildren(show(name, picked))
  }

  function move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (!step) return
    const at = heads.findIndex((head) => head.dataset.tab === chosen)
    const next = heads[(at + step + heads.length) % heads.length]
    choose(next.dataset.tab, true)
    next.focus()
  }

  return { element: div('vw-tabbed', list, body), choose, refresh: () => choose(chosen) }
}

// One bar of parts, each { kind, bytes, text }; `label` says it in words.
export function bar(parts, total, label) {
  const width = (bytes) => `${(100 * Math.max(0, bytes)) / (total || 1)}%`
  const spans = parts.map(({ kind, bytes, text }) => make('span', { class: `vw-${kind}`, title: text, style: { width: width(bytes) } }))
  return make('div', { class: 'vw-bar', role: 'img', 'aria-label': label }, spans)
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    // plain http from another machine: browsers give no clipboard there
    const area = make('textarea', { class: 'vw-hidden' }, text)
    document.body.append(area)
    area.select()
    document.execCommand('copy')
    area.remove()
  }
}
