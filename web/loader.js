// OCR Model Loader: what each precision needs and whether it fits, before anything runs.
import { button, make, status } from './dom.js'
import { ask, watch } from './live.js'
import { language, setting, size, t } from './words.js'

const ASKED = ['model', 'precision', 'attention', 'device', 'quantise_vision']

const valueOf = (node, name) => node.widgets?.find((widget) => widget.name === name)?.value

// The largest picture of the OCR nodes that this loader feeds, in megapixels; 0 where they leave it open.
function megapixels(node) {
  const graph = node.graph
  const links = node.outputs?.[0]?.links ?? []
  const targets = links.map((id) => graph?.getNodeById(graph.getLink?.(id)?.target_id))
  return Math.max(0, ...targets.map((target) => Number(target && valueOf(target, 'megapixels')) || 0))
}

function question(node) {
  const query = new URLSearchParams()
  for (const name of ASKED) query.set(name, String(valueOf(node, name) ?? ''))
  query.set('megapixels', String(megapixels(node)))
  return `plan?${query}`
}

export const badge = (verdict) => make('span', { class: `vw-badge vw-is-${verdict}` }, t(`verdict_${verdict}`))

export function loaderPanel(node, resized) {
  const element = make('section', { class: 'vw-panel vw-loader' })
  const body = make('div')
  const said = status()
  element.append(body, said)
  const panel = { element, height: 78, redraw: () => plan && show(plan), remove: () => live.stop() }
  let plan = null
  let drawn = ''

  const live = watch(element, () => question(node), show, (sentence) => fail(sentence))
  for (const name of ASKED) {
    const widget = node.widgets?.find((one) => one.name === name)
    if (!widget) continue
    const before = widget.callback
    widget.callback = function (...all) {
      live.refresh()
      return before?.apply(this, all)
    }
  }

  function fail(sentence) {
    plan = null
    drawn = ''
    body.replaceChildren(make('p', { class: 'vw-error' }, sentence))
    tall(2)
  }

  function tall(rows) {
    const height = Math.round(34 + rows * 21)
    if (height === panel.height) return
    panel.height = height
    resized()
  }

  function show(found) {
    plan = found
    const key = JSON.stringify([found, setting('Vramwise.Units'), language()])
    if (key === drawn) return // nothing has changed: a button that has the focus keeps it
    drawn = key
    const focused = element.contains(document.activeElement) && document.activeElement.dataset.act
    body.replaceChildren(
      make('p', { class: 'vw-head' }, place(found)),
      ...[found.verdicts.length > 0 && table(found), found.missing && missing(found)].filter(Boolean)
    )
    if (focused) body.querySelector(`[data-act="${focused}"]`)?.focus()
    tall(found.verdicts.length + (found.missing ? 8 : 1))
  }

  function place(found) {
    const values = { device: found.device, free: size(found.free_bytes), more: size(found.reclaimable_bytes) }
    const said = t(found.reclaimable_bytes ? 'plan_place_more' : 'plan_place', values)
    return found.set_by_hand ? `${said} (${t('set_by_hand', { value: found.set_by_hand })})` : said
  }

  const table = (found) =>
    make(
      'table',
      { class: 'vw-verdicts' },
      make('caption', { class: 'vw-hidden' }, t('loader_panel')),
      make('thead', { class: 'vw-hidden' }, make('tr', null, ['precision', 'need', 'verdict', 'chosen'].map((key) => make('th', { scope: 'col' }, t(key))))),
      make('tbody', null, found.verdicts.map((one) => {
        const chosen = one.precision === found.chosen
        return make(
          'tr',
          { class: chosen && 'vw-chosen', title: one.reason, 'data-precision': one.precision },
          make('th', { scope: 'row' }, one.precision === 'own' ? t('own_precision') : one.precision),
          make('td', { class: 'vw-number' }, size(one.need_bytes)),
          make('td', null, badge(one.verdict)),
          make('td', null, chosen ? t('chosen_mark') : '')
        )
      }))
    )

  function missing(found) {
    const { missing: gone, download } = found
    const facts = [
      gone.size_bytes !== null && ['download_size', size(gone.size_bytes)],
      gone.repo && ['download_from', `${gone.repo} (${setting('Vramwise.DownloadSource') || gone.source})`],
      gone.folder && ['download_into', gone.folder]
    ].filter(Boolean)
    return make(
      'div',
      { class: 'vw-missing' },
      make('p', null, make('strong', null, t('missing'))),
      make('details', null, make('summary', { 'data-act': 'where' }, t('where_searched')), make('p', null, gone.searched)),
      make('dl', null, facts.flatMap(([key, text]) => [make('dt', null, t(key)), make('dd', { title: text }, text)])),
      offer(found, gone, download)
    )
  }

  function offer(found, gone, download) {
    if (download?.state === 'running') {
      const values = { done: size(download.done_bytes), total: size(download.total_bytes) }
      return make(
        'div',
        { class: 'vw-row' },
        make('progress', { max: download.total_bytes || 1, value: download.total_bytes && download.done_bytes, 'aria-label': t('downloading') }),
        make('span', { class: 'vw-number' }, download.total_bytes ? t('done_of', values) : t('downloading')),
        button(t('cancel'), () => post({ model: found.model, cancel: true }), { 'data-act': 'cancel' })
      )
    }
    if (!gone.allowed) return gone.repo && make('p', { class: 'vw-note' }, t('download_off'))
    const text = gone.size_bytes === null ? t('download') : t('download_of', { size: size(gone.size_bytes) })
    const source = setting('Vramwise.DownloadSource', '')
    return make(
      'div',
      { class: 'vw-row' },
      button(text, () => post({ model: found.model, source }), { 'data-act': 'download' }),
      download?.state === 'failed' && make('span', { class: 'vw-error', role: 'alert' }, download.error),
      download?.state === 'stopped' && make('span', null, t('download_stopped'))
    )
  }

  async function post(body_) {
    try {
      await ask('download', body_)
      said.textContent = ''
    } catch (error) {
      said.textContent = error.message
    }
    live.refresh()
  }

  return panel
}
