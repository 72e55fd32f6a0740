// OCR Model Loader: what each precision needs and whether it fits, before anything runs.
import { button, changes, copy, div, fault, fitted, frame, list, make, note, put, status, strong, table } from './dom.js'
import { additions, failed, fetching } from './languages.js'
import { linked, precede, valueOf, valuesOf, widgetOf } from './graph.js'
import { order, watch } from './live.js'
import { language, setting, size, source, t } from './words.js'

const ASKED = ['model', 'precision', 'attention', 'device', 'quantise_vision', 'fast_decode']

// The largest picture of the OCR nodes that this loader feeds, in megapixels; 0 where they leave it open.
const megapixels = (node) => Math.max(0, ...linked(node, node.outputs?.[0]).map((one) => Number(valueOf(one, 'megapixels')) || 0))

const question = (node) =>
  `plan?${new URLSearchParams({ ...valuesOf(node, ASKED), megapixels: megapixels(node) })}`

export const badge = (verdict) => make('span', { class: `vw-badge vw-is-${verdict}` }, t(`verdict_${verdict}`))

export function loaderPanel(node, resized) {
  const element = frame('loader')
  const body = div()
  const said = status()
  element.append(body, said)
  const panel = { element, height: 78, redraw: () => plan && show(plan), remove: () => live.stop() }
  let plan = null
  const changed = changes()

  const live = watch(element, () => question(node), show, fail)
  for (const name of ASKED) {
    const widget = widgetOf(node, name)
    if (widget)
      precede(widget, 'callback', () => {
        panel.asked = true
        live.refresh()
      })
  }

  function fail(sentence) {
    plan = null
    if (changed(sentence)) put(body, fault(sentence))
    fitted(panel, resized)
  }

  function show(found) {
    plan = found
    if (!changed(found, setting('Vramwise.Units'), language())) return
    const unfolded = body.querySelector('.vw-languages')?.open
    const focused = element.querySelector(':focus')?.dataset.act
    // what failed is said above all else: the panel may be low
    const first = found.missing && failed(found.download)
    put(
      body,
      first,
      first && missing(found),
      make('p', { class: 'vw-head' }, place(found)),
      found.verdicts.length > 0 && verdicts(found),
      found.refusal && note(found.refusal),
      found.needs?.length > 0 && needs(found),
      !first && found.missing && missing(found),
      found.recognisers?.length > 0 && additions('languages', found.recognisers, post),
      found.layout && additions('layout_net', [found.layout], post)
    )
    const added = body.querySelector('.vw-languages')
    added?.toggleAttribute('open', !!unfolded)
    body.querySelector(`[data-act="${CSS.escape(focused)}"]`)?.focus()
    added?.addEventListener('toggle', () => {
      panel.asked = true
      fitted(panel, resized)
    })
    fitted(panel, resized)
  }

  function place(found) {
    const values = { device: found.device, free: size(found.free_bytes), more: size(found.reclaimable_bytes) }
    const said = t(found.reclaimable_bytes ? 'plan_place_more' : 'plan_place', values)
    return found.set_by_hand ? `${said} (${t('set_by_hand', { value: found.set_by_hand })})` : said
  }

  const verdicts = (found) =>
    table(
      { class: 'vw-verdicts', 'aria-label': t('panel_loader') },
      ['precision', 'need', 'verdict', 'chosen'].map((key) => make('th', { scope: 'col' }, t(key))),
      found.verdicts.map((one) => {
        const chosen = one.precision === found.chosen
        return make(
          'tr',
          { class: chosen && 'vw-chosen', title: one.reason, 'data-precision': one.precision },
          make('th', { scope: 'row' }, one.precision === 'own' ? t('own_precision') : one.precision),
          make('td', { class: 'vw-number' }, size(one.need_bytes)),
          make('td', null, badge(one.verdict)),
          make('td', { title: chosen && t('chosen') }, chosen && t('chosen_mark'))
        )
      })
    )

  function missing(found) {
    const { missing: gone, download } = found
    const facts = [
      gone.size_bytes !== null && ['download_size', size(gone.size_bytes)],
      gone.repo && ['download_from', `${gone.repo} (${source() || gone.source})`],
      gone.folder && ['download_into', gone.folder]
    ].filter(Boolean)
    return div(
      'vw-missing',
      make('p', null, strong(t('missing'))),
      offer(found, gone, download),
      make('details', null, make('summary', { 'data-act': 'where' }, t('where_searched')), make('p', null, gone.searched)),
      make('dl', null, facts.flatMap(([key, text]) => [make('dt', null, t(key)), make('dd', null, text)]))
    )
  }

  function offer(found, gone, download) {
    if (!gone.allowed) return gone.repo && note(t('download_off'))
    if (gone.blocked && download?.state !== 'running') return note(t('packages_first'))
    const text = gone.size_bytes === null ? t('download') : t('download_of', { size: size(gone.size_bytes) })
    return fetching(found.model, download, text, post, source())
  }

  // What some precisions, or all, wait for: before the gigabytes, with the command line to copy.
  const needs = (found) =>
    list('vw-needs', found.needs, (one) => [one.text, ' ', one.command && button(t('copy'), () => copy(one.command), { 'data-act': one.command })])

  async function post(what) {
    await order('download', what, said)
    live.refresh()
  }

  return panel
}
