// The sidebar tab: the machine, what of ours is in memory, and what fits here or on another card.
import { adviceTable, useInLoader } from './advice.js'
import { bar, button, make, status } from './dom.js'
import { ask, watch } from './live.js'
import { badge } from './loader.js'
import { deviceBar } from './memory.js'
import { language, loadWords, size, t } from './words.js'

const TASKS = ['OCR', 'image', 'image edit', 'video', 'upscaling', 'audio', '3d']

// `again` makes it anew, in another language.
export async function sidebar(root, graph, again) {
  await loadWords()
  const spoken = language()
  const machine = make('div')
  const held = make('div')
  const said = status()
  const section = (key, ...children) => make('section', { 'aria-label': t(key) }, make('h3', null, t(key)), children)
  const fits = fitting(graph)
  root.replaceChildren(
    make('div', { class: 'vw-panel vw-sidebar' }, make('h2', null, 'VRAMwise'), section('side_machine', machine), section('side_residents', held, said), section('side_fits', fits.element))
  )
  const fail = (place) => (sentence) => place.replaceChildren(make('p', { class: 'vw-error' }, sentence))

  const live = [
    watch(machine, () => `machine?lang=${language()}`, (found) => (language() === spoken ? machine.replaceChildren(...about(found)) : again()), fail(machine)),
    watch(held, () => 'residents', residents, fail(held))
  ]

  function residents(found) {
    if (held.dataset.drawn === JSON.stringify(found)) return
    held.dataset.drawn = JSON.stringify(found)
    if (!found.length) return held.replaceChildren(make('p', { class: 'vw-note' }, t('nothing_resident')))
    held.replaceChildren(
      make('ul', { class: 'vw-residents' }, found.map((one) =>
        make(
          'li',
          null,
          make('span', null, make('strong', null, one.name), ` ${one.precision ?? ''} ${one.device} `, one.device_bytes || one.ram_bytes ? size(one.device_bytes || one.ram_bytes) : '', one.ram_bytes ? ` ${t('in_ram')}` : ''),
          button(t('evict'), () => evict({ id: one.id }), { 'aria-label': t('evict_label', { model: one.name }) })
        )
      )),
      button(t('evict_all'), () => evict({ all: true }))
    )
  }

  async function evict(body) {
    said.textContent = t('evicting')
    try {
      residents((await ask('evict', body)).residents)
      said.textContent = t('evicted')
    } catch (error) {
      said.textContent = error.message
    }
  }

  fits.load()
  return () => live.forEach((one) => one.stop())
}

function about(found) {
  const ram = { kind: 'used', bytes: found.ram.total_bytes - found.ram.available_bytes }
  const cards = found.devices.map(deviceBar)
  const text = t('free_of', { free: size(found.ram.available_bytes), total: size(found.ram.total_bytes) })
  const hasCard = found.devices.some((one) => one.kind !== 'cpu')
  return [
    ...cards,
    hasCard && make('div', { class: 'vw-device' }, make('p', null, make('strong', null, t('ram')), ` ${text}`), bar([ram], found.ram.total_bytes, `${t('ram')}: ${text}`)),
    make('ul', { class: 'vw-findings' }, found.findings.map((one) => make('li', { class: `vw-${one.severity}` }, make('strong', null, one.title), ` ${one.detail} ${one.remedy}`))),
    found.remarks?.length && make('ul', { class: 'vw-findings' }, found.remarks.map((one) => make('li', { class: 'vw-note' }, one)))
  ].filter(Boolean)
}

// What fits by task, for this machine or a card that is typed or picked.
function fitting(graph) {
  const names = make('datalist', { id: 'vramwise-cards' })
  const card = make('input', { type: 'text', list: 'vramwise-cards', 'aria-label': t('what_if'), placeholder: t('what_if_hint'), maxlength: 80, onkeydown: keys })
  const best = make('div', { 'aria-live': 'polite' })
  const table = adviceTable(useInLoader(graph(), null))
  const all = make('details', null, make('summary', null, t('all_models')), table.element)
  const element = make('div', { class: 'vw-fits' }, make('div', { class: 'vw-row' }, card, names, button(t('ask'), load), button(t('this_machine'), reset)), best, all)

  function keys(event) {
    event.stopPropagation()
    if (event.key === 'Enter') load()
  }

  function reset() {
    card.value = ''
    load()
  }

  async function load() {
    best.replaceChildren(make('p', { class: 'vw-note' }, t('asking')))
    try {
      const found = await ask(`advise?${new URLSearchParams({ gpu: card.value.trim(), task: 'all' })}`)
      if (!names.childElementCount) names.replaceChildren(...(await ask('cards')).map((name) => make('option', { value: name })))
      best.replaceChildren(...found.map(picks))
      table.show(found[0].models)
    } catch (error) {
      best.replaceChildren(make('p', { class: 'vw-error' }, error.message))
    }
  }

  const picks = (one) =>
    make(
      'div',
      { class: 'vw-picks' },
      make('h4', null, t('fits_on', { gpu: one.gpu })),
      make('dl', null, TASKS.flatMap((task) => {
        const top = one.models.find((model) => model.task === task && ['fits', 'tight', 'reduced', 'streams'].includes(model.verdict))
        const said = top ? [`${top.name} ${top.precision === 'auto' ? '' : top.precision} `, badge(top.verdict)] : t('nothing_fits')
        return [make('dt', null, t(`task_${task}`)), make('dd', { title: top?.reason }, said)]
      }))
    )

  return { element, load }
}
