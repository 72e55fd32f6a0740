// OCR Inference: the page with its regions, and its words as text, markdown and JSON.
import { api } from '../../scripts/api.js'
import { button, copy, div, draw, frame, make, put, status, tabs } from './dom.js'
import { valueOf } from './graph.js'
import { refusal } from './languages.js'
import { markdown } from './markdown.js'
import { percent, spoke, t } from './words.js'

export const pictureOf = (page) => api.apiURL(`/view?${new URLSearchParams(page)}`)

// the canvas must not zoom, drag or take shortcuts from what is meant for the panel
export const keepEvents = (element) => {
  for (const kind of ['wheel', 'pointerdown', 'keydown'])
    element.addEventListener(kind, (event) => event.key !== 'Escape' && !event.ctrlKey && !event.metaKey && event.stopPropagation())
  return element
}

export function pagesPanel(node) {
  const element = keepEvents(frame('pages'))
  const running = make('pre', { class: 'vw-running', role: 'log', 'aria-label': t('reading'), tabindex: 0 })
  const said = status()
  const panel = { element, height: 280, show, stream, redraw, refuse, remove: () => refused?.stop() }
  let records = []
  let pictures = []
  let at = 0
  let view = null
  let left = null
  let refused = null

  function refuse(sentence) {
    refused?.stop()
    refused = sentence && refusal(sentence)
    put(element, refused?.element)
  }

  function stream(text) {
    // a character of no width stands behind every "<", for frontends that take this text as HTML
    running.textContent = text.replace(/<\u200b/g, '<')
    if (refused) refuse(null)
    if (!running.isConnected) put(element, running)
    running.scrollTop = running.scrollHeight
  }

  function show(output) {
    if (refused) refuse(null)
    records = output.ocr ?? []
    pictures = output.pages ?? []
    if (!records[at]) at = 0
    redraw()
  }

  function redraw() {
    if (!records.length) return
    view = tabs(
      { page: t('tab_page'), text: t('tab_text'), markdown: t('tab_markdown'), json: t('tab_json') },
      t('panel_pages'),
      (name, picked) => {
        if (picked) left = name
        said.textContent = spoke(records[at]).notes?.join(' ') ?? ''
        return content[name](records[at])
      }
    )
    view.choose(left ?? (valueOf(node, 'task') === 'markdown' ? 'markdown' : 'page'))
    put(element, records.length > 1 && switcher(), view.element, said)
  }

  function switcher() {
    const said = () => t('page_of', { page: at + 1, pages: records.length })
    const where = make('span', { 'aria-live': 'polite' }, said())
    const turn = (mark, key, step) =>
      button(mark, () => {
        at = (at + step + records.length) % records.length
        where.textContent = said()
        view.refresh()
      }, { 'aria-label': t(key) })
    return div('vw-row vw-switcher', turn('\u2039', 'page_before', -1), where, turn('\u203a', 'page_after', 1))
  }

  async function take(text) {
    await copy(text)
    said.textContent = t('copied', { text: text.length > 60 ? `${text.slice(0, 60)}\u2026` : text })
  }

  const written = (text, kind) =>
    div('', button(t('copy'), () => take(text), { class: 'vw-copy' }), kind ?? make('pre', { tabindex: 0 }, text))

  const content = {
    page: (record) => div('vw-both', page(record, pictures[at], take), make('pre', { class: 'vw-beside', tabindex: 0, 'aria-label': t('tab_text') }, record.text)),
    text: (record) => written(record.text),
    markdown: (record) => written(record.markdown, markdown(record.markdown)),
    json: (record) => written(JSON.stringify({ ...record, in: undefined }, null, 1))
  }
  return panel
}

// The picture with a polygon over each region: hover or focus says what it reads, click or Enter copies it.
function page(record, picture, take) {
  const tip = make('p', { class: 'vw-tip' }, record.regions.length ? t('hover_hint') : t('no_regions'))
  const shapes = record.regions.map((region, index) => {
    const sure = region.confidence === null ? '' : ` (${percent(region.confidence)})`
    const say = () => {
      tip.textContent = `${region.text}${sure}`
      for (const other of shapes) other.setAttribute('tabindex', other === shapes[index] ? 0 : -1)
    }
    return draw('polygon', {
      points: region.polygon.map((point) => point.join(',')).join(' '),
      class: 'vw-region',
      role: 'button',
      tabindex: index ? -1 : 0,
      'aria-label': `${region.text}${sure}`,
      onpointerenter: say,
      onfocus: say,
      onclick: () => take(region.text),
      onkeydown: (event) => {
        if (event.key === 'Enter' || event.key === ' ') take(region.text)
        const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key]
        if (step) shapes[(index + step + shapes.length) % shapes.length].focus()
        if (step || event.key === ' ') event.preventDefault()
      }
    })
  })
  const image = picture && make('img', { src: pictureOf(picture), alt: t('page_picture'), draggable: 'false' })
  const over = draw('svg', { viewBox: `0 0 ${record.width} ${record.height}`, role: 'group', 'aria-label': t('regions', { count: shapes.length }) }, shapes)
  return div('vw-paged', div('vw-sheet', image, over), tip)
}
